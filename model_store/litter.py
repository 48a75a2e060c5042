"""Names of files and directories that operating systems and file servers leave behind by themselves.

They may turn up in any directory: when it is looked at on a Mac or on Windows, unpacked from an archive that was made
there, or served by a NAS. Nobody published them, so they are left aside: never read, never counted as damage.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

_NAMES = frozenset(
    {
        # macOS
        ".ds_store",
        ".appledouble",
        ".appledb",
        ".appledesktop",
        ".apdisk",
        ".com.apple.timemachine.donotpresent",
        ".documentrevisions-v100",
        ".fseventsd",
        ".localized",
        ".lsoverride",
        ".spotlight-v100",
        ".temporaryitems",
        ".trashes",
        ".volumeicon.icns",
        "__macosx",
        "icon\r",
        "network trash folder",
        "temporary items",
        # Windows
        "$recycle.bin",
        "desktop.ini",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "system volume information",
        "thumbs.db",
        # Linux and its desktops
        ".directory",
        ".hidden",
        ".trash",
        "lost+found",
        # file servers: their snapshots, thumbnails and bins
        "#recycle",
        "#snapshot",
        ".@__thumb",
        ".glusterfs",
        ".snapshot",
        ".snapshots",
        ".zfs",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "@tmp",
        "~snapshot",
    }
)
_PATTERNS = (
    "._*",  # AppleDouble: what a Mac knows of a file beside it
    ".nfs[0-9a-f]*",  # a file that was removed while an NFS client had it open
    ".smb[0-9a-f]*",  # the same of an SMB client
    ".smbdelete*",
    ".fuse_hidden*",  # the same of FUSE
    ".trash-*",
    ".goutputstream-*",  # a file that GNOME was writing
    "thumbs.db:*",  # a stream of a Windows file, as some file servers show it
    "*:zone.identifier",
    "*@synoeastream",
    "*@synoresource",
)


def is_litter(name: str) -> bool:
    """Tell whether a file or directory of this name was left behind by an operating system or a file server."""
    lower = name.lower()
    return lower in _NAMES or any(fnmatchcase(lower, pattern) for pattern in _PATTERNS)


def holds_litter(path: str) -> bool:
    """Tell whether a relative POSIX path names such a file or directory, or something below one."""
    return any(is_litter(part) for part in path.split("/"))
