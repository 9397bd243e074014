"""Marks what is not ours in a descriptor image as imported, so that buf checks our files alone.

Usage: python -m tools.proto_image build/head.binpb
"""

from __future__ import annotations

import sys
from pathlib import Path

from google.protobuf import descriptor_pb2

# buf's own extension of FileDescriptorProto: field 8042, a message whose field 1 says "is an import".
_IS_IMPORT = b"\xd2\xf6\x03\x02\x08\x01"


def mark_imports(path: Path) -> None:
    """Rewrites the image at `path` with every file outside `juki/` marked as imported."""
    image = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
    for file in image.file:
        if not file.name.startswith("juki/"):
            file.MergeFromString(_IS_IMPORT)
    path.write_bytes(image.SerializeToString())


if __name__ == "__main__":
    mark_imports(Path(sys.argv[1]))
