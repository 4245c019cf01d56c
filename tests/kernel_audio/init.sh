#!/bin/sh
# First process of the machine that tests/kernel_audio/boot.py starts. REPO, PYTHON and FLAGS are parameters of the
# kernel, which hands those that it does not know to this script as variables.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for name in $(cat /modules/order); do
    case $name in
        snd-aloop.ko) options="id=Loopback pcm_substreams=1" ;;
        snd-dummy.ko) options="id=Dummy pcm_substreams=1 hrtimer=1 fake_buffer=0" ;;
        *) options="" ;;
    esac
    insmod "/modules/$name" $options || echo "kernel-audio: module $name cannot be loaded"
done

# The host's files, which nothing here can change: what is written stays in the memory of this machine.
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 host /host
mount -t tmpfs changes /changes
mkdir /changes/files /changes/work
mount -t overlay -o lowerdir=/host,upperdir=/changes/files,workdir=/changes/work root /root
for kept in proc sys dev; do
    mount --move /$kept /root/$kept
done
exec switch_root /root /bin/sh "$REPO/tests/kernel_audio/guest.sh"
