"""What is pushed to the Hub, and what happens where the Hub cannot be reached."""

from __future__ import annotations

import huggingface_hub
import imgfw
import pytest
import torch
from huggingface_hub import ModelCard

from .local_hub import local_hub

RECIPE = {
    "name": "colours",
    "loader": {"batch_size": 8, "num_workers": 0},
    "model": {"type": "resnet9", "width": 4},
    "train": {"epochs": 2},
    "callbacks": [{"type": "hf_push_to_hub", "repo_id": "someone/colours", "license": "apache-2.0"}],
}


@pytest.fixture
def outcome(saved, imgfw_run):
    """A run that is pushed, where there is a Hub."""
    return imgfw_run(RECIPE, data={"type": "hf_dataset", "folder": str(saved)})


@pytest.fixture
def outcome_without_hub(hub, saved, imgfw_run):
    """A run whose Hub stopped answering."""
    hub.stop()
    return imgfw_run(RECIPE, data={"type": "hf_dataset", "folder": str(saved)})


@pytest.fixture
def hub(monkeypatch):
    """A Hub on this machine, to which a token is given."""
    with local_hub() as hub:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.address)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", "hf_of_the_tests")
        huggingface_hub.close_session()
        yield hub
    huggingface_hub.close_session()


def test_a_push_that_fails_is_told_and_the_run_is_completed(outcome):
    assert (outcome.exit_code, outcome.summary["status"]) == (0, "completed")
    assert "there is no token of the Hub, so nothing can be pushed to someone/colours" in outcome.output
    assert "hf_push_to_hub: not pushed: " in outcome.output
    assert f"hf upload someone/colours {outcome.folder / 'hub'}" in outcome.output


def test_what_is_pushed_predicts_as_the_run_does(outcome):
    image = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8)
    pushed, trained = imgfw.load(outcome.folder / "hub"), imgfw.load(outcome.folder)
    assert pushed.predict([image]) == trained.predict([image])


def test_the_card_says_what_the_model_is_and_how_good(outcome):
    card = ModelCard.load(outcome.folder / "hub" / "README.md")
    data = card.data.to_dict()
    assert (data["library_name"], data["license"]) == ("imgfw", "apache-2.0")
    assert data["pipeline_tag"] == "image-classification"
    assert {"imgfw", "resnet9", "classification"} <= set(data["tags"])
    results = {(item.dataset_split, item.metric_type): item.metric_value for item in card.data.eval_results}
    assert results["test", "accuracy"] == outcome.summary["test"]["test/accuracy"]
    assert results["validation", "accuracy"] == outcome.summary["best"]["val/accuracy"]
    assert 'imgfw.load(snapshot_download("someone/colours"))' in card.text
    assert "red, green, blue" in card.text


def test_the_folder_holds_what_predicting_needs_and_the_course_of_the_training(outcome):
    hub = outcome.folder / "hub"
    files = {str(path.relative_to(hub)) for path in hub.rglob("*") if path.is_file()}
    best = {path.name for path in (outcome.folder / "checkpoints" / "best").iterdir()}
    assert files == {
        "README.md", "metrics.csv", "recipe.resolved.json", *(f"checkpoints/best/{name}" for name in best)
    }  # fmt: skip


def test_the_hub_gets_the_folder(hub, outcome):
    assert outcome.exit_code == 0, outcome.output
    assert (hub.created["organization"], hub.created["name"]) == ("someone", "colours")
    assert hub.created.get("private") or hub.created["visibility"] == "private"
    folder = outcome.folder / "hub"
    assert hub.files == {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    assert f"pushed   {hub.address}/someone/colours" in outcome.output
    assert "there is no token" not in outcome.output


def test_a_hub_that_does_not_answer_is_told_and_the_run_is_completed(hub, outcome_without_hub):
    assert outcome_without_hub.summary["status"] == "completed"
    assert "hf_push_to_hub: not pushed: " in outcome_without_hub.output


def test_a_run_that_fails_is_not_pushed(saved, imgfw_run, monkeypatch):
    from imgfw_plugin_hf.push import HfPushToHub

    def fail(self, run):
        raise imgfw.DataError("enough")

    monkeypatch.setattr(HfPushToHub, "on_epoch_end", fail)
    failed = imgfw_run(RECIPE, data={"type": "hf_dataset", "folder": str(saved)})
    assert failed.exit_code == 3
    assert not (failed.folder / "hub").exists()


def test_a_name_that_no_repository_can_have_is_refused_before_training(saved, imgfw_run):
    callback = {"type": "hf_push_to_hub", "repo_id": "a/b/c"}
    refused = imgfw_run(RECIPE, data={"type": "hf_dataset", "folder": str(saved)}, callbacks=[callback])
    assert refused.exit_code == 2
    assert "callbacks[0] (imgfw-plugin-hf/hf_push_to_hub)" in refused.output
