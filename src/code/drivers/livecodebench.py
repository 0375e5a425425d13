# Grades /answer.py as LiveCodeBench's official evaluator does (lcb_runner/evaluation at commit 28fef95), flaws included:
# all tests in one process, in turn, until one fails. Unlike there, an answer's seconds are those of the processor, unless
# it waits. Standard input: JSON {"inputs", "outputs", "function" or null, "seconds"}. Standard output: JSON {"results",
# "why", "slowest"}; a result is what the comparison gave, or -2 wrong, -3 out of time, -4 an error.
import ast
import builtins
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal
from io import StringIO
from types import ModuleType
from unittest import mock

STARRED = ("string re datetime collections heapq bisect copy math random statistics itertools functools operator io sys "
           "json builtins typing").split()
PRELUDE = "".join("from %s import *\n" % name for name in STARRED)
PRELUDE += "".join("import %s\n" % name for name in STARRED if name not in ("builtins", "typing"))
PRELUDE += "sys.setrecursionlimit(50000)\n"
NOT_IN_OS = ("kill system putenv remove removedirs rmdir fchdir setuid fork forkpty killpg rename renames truncate replace "
             "unlink fchmod fchown chmod chown chroot lchflags lchmod lchown getcwd chdir").split()


class TimeoutException(Exception):
    pass


class Clock:
    """Seconds of one thing that the answer does."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.begin = 0
        self.slowest = 0
        signal.signal(signal.SIGPROF, self.over)
        signal.signal(signal.SIGALRM, self.look)

    def start(self):
        self.begin = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, self.seconds)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def stop(self):
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.slowest = max(self.slowest, time.process_time() - self.begin)

    def look(self, number, frame):
        # Other programs may have had the processor. One that took next to none of it itself waits.
        if time.process_time() - self.begin < 0.1 * self.seconds:
            self.over(number, frame)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def over(self, number, frame):
        print("timeout occured: alarm went off")
        raise TimeoutException


class Bytes:
    """sys.stdin.buffer, of which a second readline gives the first line again."""

    def __init__(self, text):
        self.text = text.encode("utf-8")

    def read(self, *ignored):
        return self.text

    def readline(self, *ignored):
        return self.text.split(b"\n")[0] + b"\n"


class Input:
    """sys.stdin; no iterator."""

    def __init__(self, text):
        lines = iter(text.split("\n"))
        self.buffer = Bytes(text)
        self.read = lambda *ignored: text
        self.readline = lambda *ignored: next(lines)
        self.readlines = lambda *ignored: text.split("\n")
        self.stream = StringIO(text)

    def __getattr__(self, name):
        return getattr(self.stream, name)


def take_away():
    """What the official evaluator takes from programs."""
    builtins.exit = sys.exit
    builtins.quit = builtins.help = None
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in NOT_IN_OS:
        setattr(os, name, None)
    shutil.rmtree = shutil.move = shutil.chown = subprocess.Popen = None
    for name in ("ipdb", "joblib", "resource", "psutil", "tkinter"):
        sys.modules[name] = None
    sys.path.append("/usr/lib/python3/dist-packages")  # numpy, where Debian's is installed


def without_main_guard(code):
    try:
        body = ast.parse(code).body
        guard = body[-1]
        if isinstance(guard, ast.If) and ast.unparse(guard.test).strip() == "__name__ == '__main__'":
            return ast.unparse(body[:-1]) + "\n" + ast.unparse(guard.body)
    except Exception:
        pass
    return code


def as_function(code):
    """The program as a function's body, its imports before it."""
    try:
        body = ast.parse(code).body
        imports = [s for s in body if isinstance(s, (ast.Import, ast.ImportFrom))]
        others = [s for s in body if not isinstance(s, (ast.Import, ast.ImportFrom))]
        nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        function = ast.FunctionDef(name="wrapped_function", args=nothing, body=others, decorator_list=[], lineno=-1)
        return PRELUDE + "\n" + ast.unparse(imports) + "\n" + ast.unparse(function)
    except Exception:
        return code


def load(code, clock):
    module = ModuleType("tmp_sol", "")
    clock.start()
    try:
        exec(code, module.__dict__)
        return module.Solution() if "class Solution" in code else module
    finally:
        clock.stop()


def failure(error):
    if "timeoutexception" in repr(error).lower():
        return -3, "time limit"
    return -4, ("%s: %s" % (type(error).__name__, error))[:200]


def grade_calls(code, tests, clock):
    solution = load(PRELUDE + "\n\n" + code, clock)
    function = getattr(solution, tests["function"])
    cases = [[json.loads(line) for line in text.split("\n")] for text in tests["inputs"]]
    wanted = [json.loads(text) for text in tests["outputs"]]
    results = []
    for arguments, expected in zip(cases, wanted):
        clock.start()
        try:
            given = function(*arguments)
            clock.stop()
            same = (list(given) if isinstance(given, tuple) else given) == expected
            results.append(same if isinstance(same, (bool, int, float)) else bool(same))
            if not same:
                return results, "wrong answer"
        except Exception as error:
            code, why = failure(error)
            return results + [code], why
        finally:
            clock.stop()
    return results, ""


def decimals(line):
    try:
        return [Decimal(word) for word in line.split()]
    except Exception:
        return None


def stripped_lines(text):
    return [line.strip() for line in text.strip().split("\n")]


def same_text(given, expected):
    given, expected = stripped_lines(given), stripped_lines(expected)
    if len(given) != len(expected):
        return False
    for one, other in zip(given, expected):
        if one != other:
            numbers = decimals(one)
            if numbers is None or numbers != decimals(other):
                return False
    return True


def run_program(function, text):
    with mock.patch("builtins.open", mock.mock_open(read_data=text)), mock.patch("sys.stdin", Input(text)):
        try:
            function()
        except SystemExit:
            pass


def grade_programs(code, tests, clock):
    function = load(as_function(without_main_guard(code)), clock).wrapped_function
    results = []
    for text, expected in zip(tests["inputs"], tests["outputs"]):
        out, sys.stdout = sys.stdout, StringIO()
        sys.stdout.close = lambda *ignored: 1
        kept = sys.stdout
        try:
            clock.start()
            run_program(function, text)
            clock.stop()
        except Exception as error:
            code, why = failure(error)
            return results + [code], why
        finally:
            clock.stop()
            sys.stdout = out
        if not same_text(kept.getvalue(), expected):
            return results + [-2], "wrong answer"
        results.append(True)
    return results, ""


def main():
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(50000)
    tests = json.loads(sys.stdin.buffer.read().decode("utf-8", "surrogatepass"))
    with open("/answer.py", encoding="utf-8", errors="surrogateescape") as file:
        code = file.read()
    out = os.dup(1)
    nowhere = os.open("/dev/null", os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    write, leave = os.write, os._exit
    take_away()
    clock = Clock(tests["seconds"])
    try:
        results, why = (grade_programs if tests["function"] is None else grade_calls)(code, tests, clock)
    except Exception as error:
        results, why = [-4], ("%s: %s" % (type(error).__name__, error))[:200]
    said = json.dumps({"results": results, "why": why, "slowest": clock.slowest}).encode()
    while said:
        said = said[write(out, said):]
    leave(0)


main()
