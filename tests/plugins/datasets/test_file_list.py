from __future__ import annotations

import gc
import pickle
from pathlib import Path

import pytest
from imgfw_plugins.datasets.file_list import FileList
from imgfw_plugins.datasets.image_folder import image_folder
from PIL import Image

PATHS = [Path("/a/b.png"), Path("c"), Path("/ö/\udcff.jpg"), Path("/a/b.png")]


def test_the_paths_are_those_that_went_in():
    files = FileList(PATHS)
    assert list(files) == PATHS
    assert (files[0], files[-1], files[1:3]) == (PATHS[0], PATHS[-1], PATHS[1:3])
    with pytest.raises(IndexError):
        files[4]
    assert list(pickle.loads(pickle.dumps(files))) == PATHS
    assert len(FileList([])) == 0


def objects_below(root) -> int:
    """How many objects a thing holds on to, types and modules left out."""
    seen, queue = {id(root)}, [root]
    while queue:
        for item in gc.get_referents(queue.pop()):
            if id(item) not in seen and not isinstance(item, type) and not hasattr(item, "__spec__"):
                seen.add(id(item))
                queue.append(item)
    return len(seen)


def test_an_image_folder_keeps_no_object_for_each_image(tmp_path):
    held = {}
    for count in (3, 40):
        root = tmp_path / str(count)
        for number in range(count):
            path = root / f"class{number % 2}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (2, 2)).save(path)
        held[count] = objects_below(image_folder(root=root).train)
    assert held[40] == held[3]
