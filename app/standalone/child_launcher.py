"""A script that sets up a child process and then executes the child's command in its place.

On Linux it arranges that the child receives a signal when its parent ends.

It imports only the standard library and is run by its path; `launcher_command()` in
child_process.py builds the command line: `python -I child_launcher.py <parent pid> <death signal>
<owned path>... -- <command>...`. It is a process of its own because running Python code between
fork and exec is unsafe in a process with threads.

PostgreSQL refuses to run as root. Where owned paths are passed and this process is root, the
command runs as the account `nobody` in one of two ways. Neither changes a directory's permissions:

1. In a user namespace that maps root to the number of `nobody`. The files still belong to root.
2. Where user namespaces are forbidden, as in most containers: as `nobody` itself, which becomes the
   owner of the owned paths. It keeps one capability, to get through directories that only root may
   enter.
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
    """Replace this process by the command. Raises OSError where the command cannot be run."""
    parent, death_signal = int(arguments[0]), int(arguments[1])
    separator = arguments.index("--")
    owned, command = arguments[2:separator], arguments[separator + 1 :]
    if owned and os.geteuid() == 0:
        _drop_root([Path(path) for path in owned])
    # Last, because the kernel clears this setting when the user changes.
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started this one has ended")
    os.execv(command[0], command)  # noqa: S606 (the caller's own command, no shell)


def _drop_root(owned: list[Path]) -> None:
    account = _unprivileged_account()
    # Before the user namespace, in which the groups can no longer be changed.
    with suppress(OSError):
        os.setgroups([])
    if _can_enter_namespace(account):
        _change_owner(owned, 0, 0)
        _enter_namespace(account)
        return
    _change_owner(owned, account.pw_uid, account.pw_gid)
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
    """Try it in a forked process, because a namespace that was half entered cannot be left."""
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


def _change_owner(paths: list[Path], uid: int, gid: int) -> None:
    for top in paths:
        if top.stat().st_uid == uid:
            continue
        # The top directory is last, so that an interrupted walk is repeated from the start.
        for directory, _, files in os.walk(top, topdown=False):
            for name in files:
                os.chown(os.path.join(directory, name), uid, gid, follow_symlinks=False)
            os.chown(directory, uid, gid, follow_symlinks=False)


def _keep_directory_access() -> None:
    """Keep CAP_DAC_OVERRIDE, and no other capability, across the exec that follows.

    A failure here (an old kernel, a stricter container) is not an error: the command still works
    where everybody may enter the directories above its files.
    """
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    bit = 1 << _CAP_DAC_OVERRIDE
    # effective, permitted, inheritable: first the low 32 capabilities, then the high ones.
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if _libc.capset(header, data) == 0:
        _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


if __name__ == "__main__":
    # A signal that the parent ignores would stay ignored after the exec.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    main(sys.argv[1:])
