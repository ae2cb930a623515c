# NAME: segfault
# KIND: script
# DOES: crashes the interpreter by a wild pointer
# MUST: a crash of this program, told as a signal
import ctypes

print("before")
ctypes.string_at(0)
