"""Runs a program on a terminal of its own and obeys lines on standard input.

send HEX | resize ROWS COLUMNS | signal NUMBER | mode
Answers: out HEX | mode raw|cooked|half | exit CODE MODE. Source: pty(7), termios(3).
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def mode(fd):
    _, output, _, local, *_ = termios.tcgetattr(fd)
    if local & termios.ICANON and local & termios.ECHO and output & termios.OPOST:
        return "cooked"
    return "half" if local & (termios.ICANON | termios.ECHO) or output & termios.OPOST else "raw"


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main():
    ready, go = os.pipe()
    pid, fd = pty.fork()
    if pid == 0:
        os.read(ready, 1)  # not before the terminal has its size
        os.execvp(sys.argv[1], sys.argv[1:])
    resize(fd, 24, 80)
    os.write(go, b"x")
    pending = b""
    inputs = [fd, 0]
    while fd in inputs:
        readable, _, _ = select.select(inputs, [], [])
        if 0 in readable:
            data = os.read(0, 65536)
            if not data:
                inputs.remove(0)
            pending += data
            *lines, pending = pending.split(b"\n")
            for line in lines:
                word, *args = line.decode().split()
                if word == "send":
                    os.write(fd, bytes.fromhex(args[0]))
                elif word == "resize":
                    resize(fd, int(args[0]), int(args[1]))
                elif word == "signal":
                    os.kill(pid, int(args[0]))
                elif word == "mode":
                    say("mode " + mode(fd))
        if fd in readable:
            try:
                data = os.read(fd, 65536)
            except OSError:  # the program closed its terminal
                data = b""
            if data:
                say("out " + data.hex())
            else:
                inputs.remove(fd)
    _, status = os.waitpid(pid, 0)
    say("exit %d %s" % (os.waitstatus_to_exitcode(status), mode(fd)))


main()
