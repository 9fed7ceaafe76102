"""Runs a command on a pseudo-terminal and plays a script against it, for the tests of the raw console.

usage: play-on-terminal.py SCRIPT COMMAND...
SCRIPT is a JSON array of steps: {"see": text}, {"type": text}, {"signal": number}, {"raw": true or false},
{"size": [lines, columns]}.
With PTY_BACKGROUND set the command is a job in the background, and one that is stopped is a problem.
Prints one JSON document: the exit status, everything seen, and whether the terminal's settings are as before.
"""
import fcntl, json, os, pty, select, signal, struct, sys, termios, time

steps = json.loads(sys.argv[1])
limit = time.monotonic() + float(os.environ.get("PTY_LIMIT", "20"))
master, slave = pty.openpty()
before = termios.tcgetattr(slave)
child = os.fork()
if child == 0:
    os.close(master)
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    if os.environ.get("PTY_BACKGROUND"):
        job = os.fork()
        if job == 0:
            os.setpgid(0, 0)
            os.execvp(sys.argv[2], sys.argv[2:])
        _, code = os.waitpid(job, os.WUNTRACED)
        if os.WIFSTOPPED(code):
            os.kill(job, signal.SIGKILL)
            os._exit(200)
        os._exit(os.waitstatus_to_exitcode(code))
    os.execvp(sys.argv[2], sys.argv[2:])

seen = b""
used = 0
problem = None
status = None


def pump(wait):
    global seen
    if select.select([master], [], [], wait)[0]:
        seen += os.read(master, 65536)


def ended():
    global status
    if status is None:
        pid, code = os.waitpid(child, os.WNOHANG)
        if pid:
            status = os.waitstatus_to_exitcode(code)
    return status is not None


def is_raw():
    return not termios.tcgetattr(slave)[3] & termios.ICANON


def until(what, done):
    global problem
    while problem is None and not done():
        if time.monotonic() > limit:
            problem = f"not in time: {what}"
        elif ended() and not done():
            pump(0.05)
            if not done():
                problem = f"it ended before: {what}"
        else:
            pump(0.02)


for step in steps:
    if problem:
        break
    if "see" in step:
        text = step["see"].encode("latin1")
        until(step, lambda: seen.find(text, used) >= 0)
        used = seen.find(text, used) + len(text)
    elif "raw" in step:
        until(step, lambda: is_raw() == step["raw"])
    elif "type" in step:
        data = step["type"].encode("latin1")
        while data:
            data = data[os.write(master, data[:1024]):]
            pump(0.01)
    elif "signal" in step:
        os.kill(child, step["signal"])
    elif "size" in step:
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *step["size"], 0, 0))

while problem is None and not ended():
    pump(0.02)
    if time.monotonic() > limit:
        problem = "it does not end"
if status is None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
pump(0.05)
after = termios.tcgetattr(slave)
print(json.dumps({"status": status, "seen": seen.decode("latin1"), "restored": before == after, "problem": problem}))
