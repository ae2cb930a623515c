# NAME: zip_slip
# KIND: script
# DOES: writes an archive with ../ names, links and a 10 GB member where the host would unpack it
# MUST: the host does not unpack archives, or checks names and sizes
# EXPECT: escaped=no; collect=out.zip,out.tar
# BARE: yes
import zipfile, tarfile, io

with zipfile.ZipFile("out.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("../../../../tmp/adas_pwned", "x")
    z.writestr("/tmp/adas_pwned", "x")
    z.writestr("zeros", b"\0" * (8 << 20))
with tarfile.open("out.tar", "w") as t:
    i = tarfile.TarInfo("l")
    i.type = tarfile.SYMTYPE
    i.linkname = "/tmp"
    t.addfile(i)
    i = tarfile.TarInfo("l/adas_pwned")
    i.size = 1
    t.addfile(i, io.BytesIO(b"x"))
