"""What a notebook's kernel does, without one. `python kernel.py cells.json` runs the cells in one namespace
and writes what each of them shows to `shown.json`."""

import ast
import json
import sys
from pathlib import Path
from typing import Any


def shown(cell: str, namespace: dict[str, Any]) -> str:
    """Run a cell; its last expression as HTML where it has such a form, else as text."""
    tree = ast.parse(cell)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), namespace)
    if not isinstance(last, ast.Expr):
        return ""
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)
    return value._repr_html_() if hasattr(value, "_repr_html_") else repr(value)


if __name__ == "__main__":
    names: dict[str, Any] = {"__name__": "__main__"}
    found = [shown(cell, names) for cell in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))]
    Path("shown.json").write_text(json.dumps(found), encoding="utf-8")
