#!/usr/bin/env python3
"""A checker of one's own: half the reward for a right answer, the other half for a short one.

fulgur starts this program once. Each line that it reads is a question, a JSON object with
  prompt     what the user asked
  answer     what the model said after its thinking
  response   all that it said
  reference  the "answer" of the problem's line, or null
  finish     why the response ended: "stop", "length", ...
  record     the problem's whole line
and for each it writes one line: {"score": 0 to 1, or null for no verdict, "reason": a text}.

    fulgur eval models/nano --problems problems.jsonl --checker-command python3 examples/reward.py
"""
import json
import re
import sys

for line in sys.stdin:
    question = json.loads(line)
    boxed = re.findall(r"\\boxed\{([^{}]*)\}", question["answer"])
    if question["reference"] is None:
        verdict = {"score": None, "reason": "the problem has no reference"}
    elif not boxed or boxed[-1].strip() != str(question["reference"]):
        verdict = {"score": 0, "reason": f"the answer is {question['reference']}"}
    else:
        words = len(question["response"].split())
        verdict = {"score": 0.5 + 0.5 * max(0, 1 - words / 200), "reason": f"{words} words"}
    print(json.dumps(verdict), flush=True)
