"""A script that prepares a child process and then becomes it, so that the child dies with us.

It imports the standard library only and is run by path, as `launch()` in processes.py writes
it: `python -I launcher.py <parent pid> <death signal> <owned path>... -- <command>...`. The work
happens in this process of its own because running Python between fork and exec is unsafe in a
process that has threads.

PostgreSQL refuses to run as root. Where owned paths are given and we are root, the command runs as
the account `nobody`, in one of two ways, neither of which loosens a permission of any directory:

1. In a user namespace where root appears under the number of `nobody`. Files stay root's.
2. Where namespaces are forbidden (most containers): as `nobody` itself, to which the owned paths
   are given. It keeps the one capability that it needs to pass directories closed to others.
"""

import ctypes
import os
import pwd
import signal
import sys
from contextlib import suppress
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> None:
    """Become the command. Ends with an OSError where the command cannot be run."""
    parent, death_signal = int(arguments[0]), int(arguments[1])
    separator = arguments.index("--")
    owned, command = arguments[2:separator], arguments[separator + 1 :]
    if owned and os.geteuid() == 0:
        _leave_root([Path(path) for path in owned])
    # Last, because a change of identity clears it.
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")
    os.execv(command[0], command)  # noqa: S606 (the caller's own command, no shell)


def _leave_root(owned: list[Path]) -> None:
    account = _unprivileged_account()
    # The groups go first: a user namespace forbids to change them.
    with suppress(OSError):
        os.setgroups([])
    if _can_enter_namespace(account):
        _give(owned, 0, 0)
        _enter_namespace(account)
        return
    _give(owned, account.pw_uid, account.pw_gid)
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    if sys.platform == "linux":
        _keep_directory_access()


def _unprivileged_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        return next(entry for entry in pwd.getpwall() if entry.pw_uid != 0)


def _can_enter_namespace(account: pwd.struct_passwd) -> bool:
    """Try it in a process of its own: half an entry could not be undone."""
    child = os.fork()
    if child == 0:
        status = 1
        with suppress(BaseException):
            _enter_namespace(account)
            status = 0 if os.geteuid() == account.pw_uid else 1
        os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def _enter_namespace(account: pwd.struct_passwd) -> None:
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{account.pw_uid} 0 1")
    Path("/proc/self/gid_map").write_text(f"{account.pw_gid} 0 1")


def _give(paths: list[Path], uid: int, gid: int) -> None:
    for top in paths:
        if top.stat().st_uid == uid:
            continue
        # Bottom up: the top changes hands last, so that an interrupted walk is done again.
        for directory, _, files in os.walk(top, topdown=False):
            for name in files:
                os.chown(os.path.join(directory, name), uid, gid, follow_symlinks=False)
            os.chown(directory, uid, gid, follow_symlinks=False)


def _keep_directory_access() -> None:
    """Hold CAP_DAC_OVERRIDE, and nothing else, over the coming exec.

    Without it (an old kernel, a stricter container) the command still works where the way to its
    files is open to everybody, so a failure here is not an error.
    """
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    bit = 1 << _CAP_DAC_OVERRIDE
    # effective, permitted, inheritable: first the low 32 capabilities, then the high ones.
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if _libc.capset(header, data) == 0:
        _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


if __name__ == "__main__":
    # What the terminal or the parent had set is not the child's: an ignored signal stays ignored
    # over an exec.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    main(sys.argv[1:])
