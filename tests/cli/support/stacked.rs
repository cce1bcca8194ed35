//! A cache folder on overlays, as inside a container that is on one: changes of an overlay cannot be kept
//! there, or, on two, none can be mounted at all.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::TestContext;
use super::tools::find;

/// Mounts as many overlays as it is told, each on the one before, the last on the cache folder.
const STACK: &str = r#"
lower=$1/lower
for number in $(seq "$2"); do
  on=$1/on$number
  test "$number" = "$2" && on=$3
  mount -t overlay -o "lowerdir=$lower,upperdir=$1/upper$number,workdir=$1/work$number" overlay "$on"
  lower=$on
done
shift 3
exec "$@"
"#;

impl TestContext {
    /// The command with its cache on so many overlays, kept from one command to the next. Only root
    /// can do so.
    pub(crate) fn on_overlays(&self, depth: usize, command: &Command) -> Command {
        let stack = self.root().join("stack");
        if !stack.exists() {
            let cache = fs::metadata(self.root().join("cache")).unwrap();
            for name in ["lower", "upper1", "work1", "on1", "upper2", "work2"] {
                use std::os::unix::fs::MetadataExt;
                fs::create_dir_all(stack.join(name)).unwrap();
                chown(stack.join(name), Some(cache.uid()), Some(cache.gid())).unwrap();
            }
        }
        let mut stacked = Command::new(find("unshare"));
        stacked.args(["--mount", "/bin/sh", "-ec", STACK, "sh"]).arg(&stack).arg(depth.to_string());
        stacked.arg(self.root().join("cache")).arg(command.get_program()).args(command.get_args());
        stacked.env_clear().stdin(Stdio::null()).current_dir(command.get_current_dir().unwrap());
        stacked.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        stacked
    }

    /// Where the files of a cache on overlays are.
    pub(crate) fn stacked_cache(&self, depth: usize) -> PathBuf {
        self.root().join(format!("stack/upper{depth}/oci"))
    }
}
