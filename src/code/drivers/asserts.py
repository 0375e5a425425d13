# Runs a problem's asserts. The answer runs in another process, behind standard input and output, so that nothing of it
# can reach these statements: its functions stand for calls, and only plain values come back. Says on standard error,
# after each assert that held, the token that it was given. argv: the token, the file of what to run.
import ast
import builtins
import json
import os
import sys

TOKEN = sys.argv[1]
MOST_BYTES = 16 << 20
replies = os.fdopen(os.dup(0), "rb")
requests = os.dup(1)
say = os.dup(2)
nowhere = os.open("/dev/null", os.O_RDWR)
for fd in (0, 1, 2):
    os.dup2(nowhere, fd)


class Gone(BaseException):
    pass


class Remote:
    """A value of the answer's that is not plain. Equal to itself alone."""

    def __init__(self, target):
        object.__setattr__(self, "_target", target)

    def __call__(self, *arguments, **words):
        return ask("call", self, arguments, words)

    def __getattr__(self, key):
        return ask("get", self, key=key)

    def __setattr__(self, key, value):
        ask("set", self, (value,), key=key)

    def __getitem__(self, key):
        return ask("item", self, (key,))

    def __iter__(self):
        return iter(ask("list", self))

    def __len__(self):
        return ask("len", self)

    def __bool__(self):
        return ask("bool", self) is True


def encode(v):
    if v is None or v is True or v is False:
        return v
    kind = type(v)
    if kind is int:
        return ["i", repr(v)]
    if kind is float:
        return ["f", repr(v)]
    if kind is str:
        return ["s", v]
    if kind in (list, tuple, set, frozenset):
        return [{list: "l", tuple: "t", set: "S", frozenset: "F"}[kind], [encode(x) for x in v]]
    if isinstance(v, dict):
        return ["d", [[encode(k), encode(x)] for k, x in v.items()]]
    if kind in (bytes, bytearray):
        return ["b", bytes(v).hex()]
    if kind is complex:
        return ["c", repr(v.real), repr(v.imag)]
    if kind is range:
        return ["r", str(v.start), str(v.stop), str(v.step)]
    if kind is Remote:
        target = object.__getattribute__(v, "_target")
        return ["h", target] if isinstance(target, int) else ["n", target]
    if kind.__name__ == "deque":
        return ["q", [encode(x) for x in v]]
    if kind.__name__ in ("Decimal", "Fraction"):
        return [kind.__name__, str(v)]
    if isinstance(v, (list, tuple, set, frozenset)):
        return encode([b for b in (list, tuple, set, frozenset) if isinstance(v, b)][0](v))
    raise TypeError("an assert hands the answer a " + kind.__name__)


def decode(v):
    if v is None or v is True or v is False:
        return v
    kind = v[0]
    if kind == "i":
        return int(v[1])
    if kind == "f":
        return float(v[1])
    if kind == "s":
        return str(v[1])
    if kind in ("l", "t", "S", "F"):
        return {"l": list, "t": tuple, "S": set, "F": frozenset}[kind](decode(x) for x in v[1])
    if kind == "d":
        return {decode(k): decode(x) for k, x in v[1]}
    if kind == "b":
        return bytes.fromhex(v[1])
    if kind == "c":
        return complex(float(v[1]), float(v[2]))
    if kind == "r":
        return range(int(v[1]), int(v[2]), int(v[3]))
    if kind == "q":
        import collections
        return collections.deque(decode(x) for x in v[1])
    if kind == "Decimal":
        import decimal
        return decimal.Decimal(v[1])
    if kind == "Fraction":
        import fractions
        return fractions.Fraction(v[1])
    if kind == "h":
        return Remote(int(v[1]))
    raise Gone("the answer's side does not keep to the protocol")


def refill(before, after):
    """An argument that the answer changed in place, where lists are sorted, say, changes here too."""
    if type(before) is list and type(after) is list:
        before[:] = after
    elif type(before) is dict and type(after) is dict:
        before.clear()
        before.update(after)
    elif type(before) is set and type(after) is set:
        before.clear()
        before.update(after)


def exchange(request):
    data = (json.dumps(request) + "\n").encode()
    try:
        while data:
            data = data[os.write(requests, data):]
    except OSError:
        raise Gone("the answer's process ended")
    line = replies.readline(MOST_BYTES)
    if not line.endswith(b"\n"):
        raise Gone("the answer's process ended" if len(line) < MOST_BYTES else "the answer said too much")
    try:
        reply = json.loads(line)
        if not isinstance(reply, dict):
            raise ValueError
        return reply
    except (ValueError, RecursionError):
        raise Gone("the answer's side does not keep to the protocol")


def ask(op, remote, arguments=(), words={}, key=None):
    target = object.__getattribute__(remote, "_target")
    request = {"op": op, "a": [encode(a) for a in arguments], "k": {k: encode(a) for k, a in words.items()}, "key": key}
    if isinstance(target, str):
        request["name"] = target
    else:
        request["target"] = ["h", target]
    reply = exchange(request)
    if "e" in reply:
        error = getattr(builtins, str(reply["e"]), None)
        if not (isinstance(error, type) and issubclass(error, Exception)):
            error = RuntimeError
        raise error(str(reply.get("m")))
    try:
        value = decode(reply["v"])
        for before, after in zip(arguments, [decode(a) for a in reply["a"]] if op == "call" else []):
            refill(before, after)
    except Exception:
        raise Gone("the answer's side does not keep to the protocol")
    return value


def names_in(text):
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def main():
    sys.setrecursionlimit(20000)
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    with open(sys.argv[2], encoding="utf-8") as file:
        what = json.load(file)
    space = {"__name__": "asserts", "__builtins__": builtins}
    used = set()
    for text in [what["setup"]] + what["asserts"]:
        used |= names_in(text)
    if what["prelude"]:
        try:
            prelude = compile(what["prelude"], "prompt", "exec")
        except SyntaxError:  # it ends with a function's first line
            prelude = compile(what["prelude"].rstrip() + "\n    pass\n", "prompt", "exec")
        exec(prelude, space)
    # The function is the answer's, and so is what the asserts use and the problem does not bring.
    for name in sorted(used | {what["function"]} - {""}):
        if name != what["function"] and (name in space or hasattr(builtins, name)):
            continue
        if name in sys.stdlib_module_names:  # the real one, not what the answer says it is
            space[name] = __import__(name)
        elif name:
            if exchange({"op": "has", "name": name}).get("v") is True:
                space[name] = Remote(name)
    exec(compile(what["setup"], "test", "exec"), space)
    for i, statement in enumerate(what["asserts"]):
        try:
            exec(compile(statement, "assert", "exec"), space)
        except Gone as error:
            os.write(say, ("%s gone %s\n" % (TOKEN, error)).encode())
            break
        except BaseException as error:
            os.write(say, ("%s failed %d %s\n" % (TOKEN, i, type(error).__name__)).encode())
            continue
        os.write(say, ("%s held %d\n" % (TOKEN, i)).encode())
    os.write(say, ("%s end\n" % TOKEN).encode())


try:
    main()
except BaseException as error:
    os.write(say, ("%s setup %s: %s\n" % (TOKEN, type(error).__name__, error)).encode("utf-8", "replace"))
os._exit(0)
