#!/usr/bin/env python3
"""What scripts/bench measures with: the same arguments give the same bytes, modes and times.

    benches/workload.py program|files|fleet|base-tree FOLDER [--megabytes N] [--count N]

`program` is a file that deflates like a program's code, `files` is many small ones, `fleet` is 50 programs, and
`base-tree` a root filesystem of 1 GB and 40,000 files, with a shell.
"""

import argparse
import os
import random

TIME = 1_700_000_000
BLOCK = 8 << 20
WORDS = "import return self None class value result config async buffer message handler response == 0 ->".split()


def code(seed, size):
    """Bytes that gzip makes about 2.3 times smaller, with many short repetitions, as compiled code is."""
    source = random.Random(f"code {seed}")
    operations = [source.randbytes(source.choice((2, 3, 3))) for _ in range(20)]
    operands = [bytes([int(source.expovariate(1 / 10)) & 255]) for _ in range(512)]
    strings = [source.randbytes(source.choice((4, 8, 16, 24))) for _ in range(1000)]
    parts, length = [], 0
    while length < min(size, BLOCK):
        kind = source.random()
        if kind < 0.88:
            new = [source.choice(operations) + source.choice(operands)]
        elif kind < 0.94:
            new = [source.choice(strings)]
        else:  # an earlier stretch again, with small changes
            start = max(0, len(parts) - source.choice((60, 400, 2000, 5000)))
            new = [source.randbytes(2) if source.random() < 0.1 else part for part in parts[start : start + 12]]
        parts += new
        length += sum(map(len, new))
    unit = b"".join(parts)[: min(size, BLOCK)]
    yield unit
    # More of it has the same statistics, and other bytes.
    for start in range(BLOCK, size, BLOCK):
        table = list(range(256))
        random.Random(f"table {seed} {start}").shuffle(table)
        yield unit[: size - start].translate(bytes(table))


def text(length):
    """Lines of words, as sources have them."""
    source = random.Random("text")
    words = [source.choice(WORDS) if source.random() < 0.8 else f"{source.getrandbits(20):x}\n" for _ in range(length // 6)]
    return " ".join(words).encode()


def put(path, parts, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.writelines(parts)
    os.chmod(path, mode)
    os.utime(path, (TIME, TIME))


def program(folder, options):
    """One file that may be executed."""
    put(f"{folder}/app", code("app", options.megabytes << 20), 0o755)


def files(folder, options):
    """Files of about 4 KB, 50 to a folder."""
    source, lines = random.Random("files"), text(4 << 20)
    for number in range(options.count):
        start = source.randrange(len(lines) - 8000)
        content = lines[start : start + 500 + number * 7919 % 7000]
        put(f"{folder}/package-{number // 500}/group-{number % 10}/module_{number}.py", [content])


def fleet(folder, options):
    """50 programs of 5 MB."""
    for number in range(50):
        put(f"{folder}/{number:02}/app", code(f"fleet {number}", 5 << 20), 0o755)


def base_tree(folder, options):
    """Every hundredth file is 2 MB, the others 6 KB at most."""
    put(f"{folder}/bin/busybox", [open("/bin/busybox", "rb").read()], 0o755)
    for name in ("sh", "true", "cat", "echo"):
        os.symlink("busybox", f"{folder}/bin/{name}")
    put(f"{folder}/etc/passwd", [b"root:x:0:0:root:/root:/bin/sh\n"])
    put(f"{folder}/etc/group", [b"root:x:0:\n"])
    for name in ("tmp", "proc", "sys", "dev", "root"):
        os.makedirs(f"{folder}/{name}")
    source, lines = random.Random("base"), text(4 << 20)
    for number in range(40_000):
        length = 2 << 20 if number % 100 == 0 else 100 + number * 7919 % 6000
        start = source.randrange(len(lines) - length)
        put(f"{folder}/usr/share/d{number // 60}/f{number}", [lines[start : start + length]])


KINDS = {"program": program, "files": files, "fleet": fleet, "base-tree": base_tree}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("folder")
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--count", type=int, default=20_000)
    options = parser.parse_args()
    KINDS[options.kind](options.folder, options)


if __name__ == "__main__":
    main()
