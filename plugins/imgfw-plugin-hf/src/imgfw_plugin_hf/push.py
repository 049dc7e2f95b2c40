"""Pushing a finished run to the Hub."""

from __future__ import annotations

import logging
from pathlib import Path

from imgfw import Callback, Run, about

from imgfw_plugin_hf.source import one_line

_LOG = logging.getLogger("imgfw.hf")


@about(example={"repo_id": "someone/flowers"})
class HfPushToHub(Callback):
    """Push the best model of a finished run to the Hugging Face Hub, with a model card.

    What is pushed is a folder `hub` of the run's: the best checkpoint, the resolved recipe (paths of this
    machine included), the metrics, and a card with the results. `imgfw.load` takes it as it is. Log in with
    `hf auth login`, or set HF_TOKEN. A push that fails is told, with the command that does it later; the run
    is completed all the same.

    Args:
        repo_id: the repository, as `someone/flowers`; it is made if there is none.
        private: whether a repository that is made can be seen by you alone.
        license: the licence of the model, by the Hub's identifiers, as `apache-2.0`; null: none stated.

    Raises:
        ValueError: for a name that no repository can have.
    """

    def __init__(self, *, repo_id: str, private: bool = True, license: str | None = None) -> None:
        from huggingface_hub.utils import validate_repo_id

        validate_repo_id(repo_id)
        self.repo_id = repo_id
        self.private = private
        self.license = license

    def on_run_start(self, run: Run) -> None:
        """Say now, and not after hours, that a push will need a token."""
        from huggingface_hub import get_token

        if run.is_main and get_token() is None:
            _LOG.warning(
                "hf_push_to_hub: there is no token of the Hub, so nothing can be pushed to %s. "
                "Log in before the run ends: hf auth login",
                self.repo_id,
            )

    def on_session_end(self, run: Run) -> None:
        """Push, if the run came to its end."""
        if not run.is_main or run.status not in ("completed", "stopped"):
            return
        from imgfw_plugin_hf.hub_folder import write_hub_folder

        folder = run.folder / "hub"
        write_hub_folder(run, folder, self.repo_id, self.license)
        try:
            address = self._push(folder)
        except Exception as error:  # the network fails in every way, and the run is done
            _LOG.warning(
                "hf_push_to_hub: not pushed: %s: %s. When the Hub can be reached: hf upload %s %s",
                type(error).__name__,
                one_line(error),
                self.repo_id,
                folder,
            )
        else:
            _LOG.info("pushed   %s", address)

    def _push(self, folder: Path) -> str:
        from huggingface_hub import HfApi

        api = HfApi()
        made = api.create_repo(self.repo_id, private=self.private, exist_ok=True)
        api.upload_folder(
            repo_id=made.repo_id, folder_path=folder, commit_message="Push the best model of a run of imgfw"
        )
        return str(made)
