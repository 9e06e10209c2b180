"""Fuzzing of everything that reads what strangers send.

    make fuzz                     each target for ten minutes
    make fuzz SECONDS=30          each for half a minute, two at a time
    make fuzz ONLY=requests       one of them

A target (`targets/`) is a function of bytes that must return: any input gives a value or an error that was designed,
never another exception, and never takes unbounded time or memory. Its seeds are well-formed inputs. What was once found
lies in `found/TARGET/`, and `test_found.py` gives it, and every seed, to the target in the ordinary test run.

The engine is atheris, which is libFuzzer for Python: it sees which branches of our code an input reaches and goes on
with those that reach new ones, so it gets through grammars that random input never gets into; hypothesis, which the
ordinary tests use, is blind to that. It has wheels for CPython 3.11 and newer on Linux and x86-64, in a lock file of
its own: only `make fuzz` needs it.
"""
