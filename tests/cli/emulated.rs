//! Programs of another architecture, by an emulator that the kernel is told of: in a user namespace, which
//! has its own `binfmt_misc` (Linux 6.7), so that the machine's stays as it is.

use std::process::{Command, Stdio};

use crate::support::TestContext;
use crate::support::ordinary::{Ids, needs_root};
use crate::support::tools::find;

/// A program for arm64 that prints `hello` and ends with a status: an ELF header, a program header, and
/// eight instructions.
fn hello(status: u32) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    // mov x0, 1; adr x1, text; mov x2, 6; mov x8, write; svc 0; mov x0, status; mov x8, exit; svc 0
    let code = [
        0xd280_0020,
        0x1000_00e1,
        0xd280_00c2,
        0xd280_0808,
        0xd400_0001,
        0xd280_0000 | (status << 5),
        0xd280_0ba8,
        0xd400_0001,
    ];
    let text = b"hello\n";
    let size = 64 + 56 + 4 * code.len() as u64 + text.len() as u64;
    let mut program = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let mut put = |bytes: &[u8]| program.extend_from_slice(bytes);
    [2_u16, 183].iter().for_each(|half| put(&half.to_le_bytes()));
    put(&1_u32.to_le_bytes());
    [BASE + 64 + 56, 64, 0].iter().for_each(|word| put(&word.to_le_bytes()));
    put(&0_u32.to_le_bytes());
    [64_u16, 56, 1, 0, 0, 0].iter().for_each(|half| put(&half.to_le_bytes()));
    // One segment, to be read and executed.
    [1_u32, 5].iter().for_each(|half| put(&half.to_le_bytes()));
    [0, BASE, BASE, size, size, 0x1_0000].iter().for_each(|word: &u64| put(&word.to_le_bytes()));
    code.iter().for_each(|instruction: &u32| put(&instruction.to_le_bytes()));
    put(text);
    program
}

/// Goes into a user namespace with most IDs of the machine, and there registers the emulator and starts the
/// rest as the user of the tests.
const ENTER: &str = r#"
printf 'root:0:200000\noci-tester:100000:65536\n' > "$1"
mount --bind "$1" /etc/subuid
mount --bind "$1" /etc/subgid
shift
exec unshare --user --mount --map-users=0,0,200000 --map-groups=0,0,200000 --setuid 0 --setgid 0 \
  /bin/sh -ec "$@"
"#;
const REGISTER: &str = r#"
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
magic='\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s' ":emulated:M::$magic:$mask:$0:F" > /proc/sys/fs/binfmt_misc/register
exec "$@"
"#;

#[test]
fn only_root_programs_for_other_machines_run_where_there_is_an_emulator() {
    needs_root();
    let context = TestContext::with_manifest(
        "[build.app]\nbase = \"scratch\"\nplatforms = [\"linux/arm64\"]\nentrypoint = [\"/hello\"]\n\
         packages = [{ path = \"hello\", to = \"/hello\" }, { path = \"fine\", to = \"/fine\" }]\n\
         steps = [{ run = [\"/fine\"] }]\n",
    );
    context.write_program("hello", hello(5));
    context.write_program("fine", hello(0));
    let ordinary = context.as_ordinary_user(Ids::Subordinate);
    let as_root = || context.oci();
    let users: [&dyn Fn() -> Command; 2] = [&ordinary, &as_root];
    for oci in users {
        let emulated = |arguments: &[&str]| {
            let inner = oci();
            let mut command = Command::new(find("unshare"));
            command.args(["--mount", "/bin/sh", "-ec", ENTER, "sh"]).arg(context.root().join("ids")).arg(REGISTER);
            command.arg(find("qemu-aarch64-static")).arg(inner.get_program()).args(inner.get_args()).args(arguments);
            command.env_clear().envs(context.environment()).current_dir(context.project()).stdin(Stdio::null());
            context.finish(&mut command)
        };
        assert!(emulated(&["build", "--no-cache"]).success().stderr().contains("| hello"));
        assert_eq!(emulated(&["run", "-q", "app"]).failure(5).stdout(), "hello\n");
        let told = emulated(&["doctor"]).success();
        assert!(told.stdout().contains("its programs can be started here"), "{told}");
        std::fs::remove_dir_all(context.root().join("cache/oci")).unwrap();
    }
}
