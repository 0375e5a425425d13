# Runs /answer.py as a program of its own, with the names that Python's `site` would add.
import builtins
import sys

sys.setrecursionlimit(50000)
if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)
builtins.exit = builtins.quit = sys.exit
sys.argv[0] = "/answer.py"
sys.path.insert(0, "/tmp")
with open("/answer.py", encoding="utf-8", errors="surrogateescape") as _file:
    _code = compile(_file.read(), "/answer.py", "exec")
del _file, builtins, sys
exec(_code, globals())
