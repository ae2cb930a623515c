# NAME: parser_bomb
# KIND: script
# DOES: source that breaks the compiler: deep nesting, huge literals
# MUST: error of this program; fast
# EXPECT: escaped=no; verdict!=sandbox_error
# BARE: yes
for src in (
    "(" * 100000 + ")" * 100000,
    "-" * 200000 + "1",
    "x=" + "[" * 5000 + "]" * 5000,
    "a" + ".a" * 100000,
    "1+" * 100000 + "1",
    "lambda:" * 20000 + "1",
):
    try:
        compile(src, "<s>", "exec")
    except (SyntaxError, MemoryError, RecursionError, ValueError):
        pass
print("parser survived")
