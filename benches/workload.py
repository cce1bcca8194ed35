"""What scripts/bench measures with: the same arguments give the same bytes, modes and times.

A file that deflates like a program's code.
"""

import os
import random

TIME = 1_700_000_000
BLOCK = 8 << 20


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


def put(path, parts, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.writelines(parts)
    os.chmod(path, mode)
    os.utime(path, (TIME, TIME))


def program(folder, megabytes=50):
    """One file that may be executed."""
    put(f"{folder}/app", code("app", megabytes << 20), 0o755)
