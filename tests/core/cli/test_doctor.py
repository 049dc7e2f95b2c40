"""What the doctor finds, and that it works on a sick machine."""

from __future__ import annotations

import pytest
from imgfw.cli.diagnosis import Finding, judge_environment, judge_extras
from imgfw.cli.environment import OPENCV, Environment, TorchFacts, look, missing_extras


def environment(**changes) -> Environment:
    """A healthy environment, with changes."""
    healthy = {
        "python": "3.11.7",
        "system": "Linux",
        "versions": {"torch": "2.11.0", "torchvision": "0.26.0"},
        "unmet": {},
        "torch": TorchFacts(cuda_build="13.0", gpus=["GPU"], threads=4),
        "cores": 4,
        "core_limit": None,
        "cpu_bf16": [],
        "memory": (2**34, 2**33),
        "shared_memory": 2**33,
        "disk": 2**36,
        "has_nvidia_driver": True,
    }
    return Environment(**(healthy | changes))


def finding(**changes) -> Finding:
    """The only thing that is wrong with an environment."""
    found = judge_environment(environment(**changes))
    assert len(found) == 1
    return found[0]


def test_a_healthy_environment_has_no_findings():
    assert judge_environment(environment()) == []


def test_torch_and_torchvision_of_different_builds_are_recognised():
    error = "RuntimeError: operator torchvision::nms does not exist"
    found = finding(torch=TorchFacts(vision_error=error, gpus=["GPU"]))
    assert "do not belong together (torch 2.11.0, torchvision 0.26.0)" in found.what
    assert found.fix == "pip install --force-reinstall torch torchvision"


def test_a_torchvision_that_wants_another_torch_is_recognised():
    found = finding(unmet={"torchvision": ["torch==2.12.0 (installed: 2.11.0)"]})
    assert "do not belong together" in found.what


def test_an_old_library_is_named_with_the_command_that_updates_it():
    found = finding(unmet={"imgfw": ["pluggy>=1.7 (installed: 1.5)"]})
    assert found.fix == "pip install --upgrade 'pluggy>=1.7'"


@pytest.mark.parametrize(("build", "words"), [("13.0", "CUDA_VISIBLE_DEVICES"), ("", "CUDA build")])
def test_a_gpu_that_is_not_used_is_found(build, words):
    assert words in finding(torch=TorchFacts(cuda_build=build)).fix


def test_no_gpu_is_missed_where_there_is_none():
    assert judge_environment(environment(torch=TorchFacts(), has_nvidia_driver=False)) == []


def test_more_threads_than_a_container_may_use_are_found():
    assert finding(core_limit=2.0).fix == "export OMP_NUM_THREADS=2"


def test_a_small_shared_memory_is_found():
    assert "64 MiB" in finding(shared_memory=64 * 2**20).what


def test_a_full_disk_is_found():
    assert "output_dir" in finding(disk=2**20).fix


def test_a_missing_extra_is_worth_knowing_but_no_problem():
    [found] = judge_extras([("pycocotools", "detection")])
    assert not found.serious
    assert found.fix == "pip install 'imgfw[detection]'"


def test_opencv_is_listed_whichever_distribution_holds_it(site, monkeypatch):
    monkeypatch.setattr("imgfw.cli.environment.OPENCV", ("imgfw-test-none", "imgfw-test-contrib"))
    assert look().versions["OpenCV"] is None
    assert ("OpenCV", "fast") in missing_extras()
    site.install("imgfw-test-contrib", version="4.99")
    assert look().versions["OpenCV"] == "4.99"
    assert "OpenCV" not in dict(missing_extras())


def test_opencv_has_one_line_whichever_distribution_holds_it():
    assert not set(OPENCV) & set(look().versions)


def test_the_doctor_names_a_torchvision_without_operators(python, tmp_path):
    (tmp_path / "torchvision.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    done = python("-m", "imgfw", "doctor")
    assert done.returncode == 1
    assert "problem: torch and torchvision do not belong together" in done.stdout
    assert "pip install --force-reinstall torch torchvision" in done.stdout
    assert done.stderr == ""


def test_the_doctor_works_without_torch_and_with_a_broken_plugin(python, tmp_path, install):
    install("imgfw-plugin-x", "raise RuntimeError('no licence found')")
    (tmp_path / "torch.py").write_text("raise OSError('libtorch_cpu.so: cannot open shared object file')\n")
    done = python("-m", "imgfw", "doctor")
    assert done.returncode == 1
    assert "torch does not work: OSError: libtorch_cpu.so" in done.stdout
    assert "the plugin imgfw-plugin-x is broken: RuntimeError: no licence found" in done.stdout
    assert done.stdout.endswith("2 problems\n")
