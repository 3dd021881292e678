"""disk_image.py: a disk whose power can be cut: an ext4 image on a loop device.

Power goes with the file system's shutdown ioctl, which stops it without letting its journal out: what was not
synced is lost, as with the plug pulled.
"""
import fcntl
import os
import struct
import subprocess
import time

FS_IOC_SHUTDOWN, NOLOGFLUSH = 0x8004587d, 2


def run(*argv):
    got = subprocess.run(argv, capture_output=True, text=True)
    if got.returncode:
        raise OSError(f"{' '.join(argv)}: {got.stderr.strip() or got.returncode}")


class Disk:
    def __init__(self, folder, name, mib=400):
        self.image, self.at = os.path.join(folder, name + ".img"), os.path.join(folder, name)
        os.makedirs(self.at, exist_ok=True)
        with open(self.image, "wb") as f:
            f.truncate(mib << 20)
        run("mkfs.ext4", "-q", "-F", self.image)
        self.mount()

    def mount(self):
        run("mount", "-o", "loop", self.image, self.at)

    def umount(self):
        for _ in range(50):
            if subprocess.run(["umount", self.at], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        run("umount", self.at)

    def cut(self):
        fd = os.open(self.at, os.O_RDONLY)
        fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        os.close(fd)
