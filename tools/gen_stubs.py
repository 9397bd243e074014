"""Generates the Python stubs in `gen/` and the descriptor image in `build/` from `protos/`.

Usage: python -m tools.gen_stubs [--image-only PROTO_ROOT IMAGE]
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path

from grpc_tools import protoc

from tools.proto_image import mark_imports

_INCLUDES = Path(sysconfig.get_path("purelib"))
"""Where googleapis-common-protos keeps `google/api/*.proto`."""
_WELL_KNOWN = Path(protoc.__file__).parent / "_proto"


def _run(root: Path, *arguments: str) -> None:
    protos = sorted(str(path) for path in root.rglob("*.proto"))
    command = ["protoc", f"-I{root}", f"-I{_INCLUDES}", f"-I{_WELL_KNOWN}", *arguments, *protos]
    if protoc.main(command) != 0:
        sys.exit(f"protoc could not compile {root}; its complaint is above")


def generate(root: Path, target: Path) -> None:
    """Writes messages, services and their type stubs, replacing what was there in one move."""
    fresh = target.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    scripts = Path(sysconfig.get_path("scripts"))
    _run(
        root,
        f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
        *(f"--{kind}_out={fresh}" for kind in ("python", "grpc_python")),
        *(f"--{kind}_out=quiet:{fresh}" for kind in ("mypy", "mypy_grpc")),
    )
    for folder in [fresh / "juki", *(path for path in (fresh / "juki").rglob("*") if path.is_dir())]:
        (folder / "__init__.py").write_text('"""Generated from protos/; not committed."""\n')
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def write_image(root: Path, image: Path) -> None:
    """Writes the descriptor image that buf lints and compares."""
    image.parent.mkdir(parents=True, exist_ok=True)
    _run(root, "--include_imports", "--include_source_info", f"--descriptor_set_out={image}")
    mark_imports(image)


def main(arguments: list[str]) -> None:
    """Generates everything, or only an image of the protos under another root."""
    if arguments[:1] == ["--image-only"]:
        write_image(Path(arguments[1]), Path(arguments[2]))
        return
    generate(Path("protos"), Path("gen"))
    write_image(Path("protos"), Path("build/head.binpb"))


if __name__ == "__main__":
    main(sys.argv[1:])
