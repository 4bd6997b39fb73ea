"""Captions rewritten and checked by a language model behind any OpenAI-compatible endpoint; off unless asked for.

A rewriting is kept only if it still names the same things and no numbers of its own; otherwise the template's words
stay, and the result says why.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from simvid.errors import SimvidError

KEY = "SIMVID_CAPTION_KEY"
"""Environment variable with the endpoint's key; empty sends none."""
REWRITE = ("Rewrite the caption of a video in natural English. Keep every fact, every named thing and every time; add "
           "nothing. Answer with the caption alone.")  # fmt: skip
CHECK = ("You are given facts of a video as JSON, and a caption. Answer with JSON alone: {\"ok\": true or false, "
         "\"wrong\": [each statement of the caption that the facts do not support]}.")  # fmt: skip
TIMEOUT_S = 120.0


class EndpointError(SimvidError):
    """The endpoint cannot be reached, or does not answer as such endpoints do."""


@dataclass(frozen=True)
class Endpoint:
    """Where to ask: ``url`` ends before ``/chat/completions``.

    Raises:
        EndpointError: that is no address.
    """

    url: str
    model: str

    def __post_init__(self) -> None:
        try:
            parts = urllib.parse.urlsplit(self.url)
            good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # of the port, or of an IPv6 host
            good = False
        if not good:
            raise EndpointError(
                f"--endpoint: expected an address that starts with http:// or https:// and has a host, such as "
                f"http://localhost:8000/v1, got {self.url!r}"
            )

    def ask(self, system: str, text: str) -> str:
        """One question, one answer, without sampling.

        Raises:
            EndpointError: no answer.
        """
        messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        body = json.dumps({"model": self.model, "messages": messages, "temperature": 0}).encode()
        headers = {"Content-Type": "application/json"}
        if os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {os.environ[KEY]}"
        request = urllib.request.Request(f"{self.url.rstrip('/')}/chat/completions", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                tree = json.load(answer)
            return str(tree["choices"][0]["message"]["content"]).strip()
        except urllib.error.HTTPError as error:
            raise EndpointError(f"{self.url}: answered {error.code} {error.reason}; check the address, the model "
                                f"{self.model!r} and the key in {KEY}") from error  # fmt: skip
        except (OSError, HTTPException, ValueError, KeyError, IndexError, TypeError) as error:
            raise EndpointError(f"{self.url}: no answer as OpenAI's chat completions give it ({error!r})") from error


def rewritten(caption: str, nouns: Sequence[str], endpoint: Endpoint) -> dict[str, Any]:
    """``text``: the rewriting, or the caption where it lost or added something; ``kept`` and ``why`` say which."""
    text = endpoint.ask(REWRITE, caption)
    lost = [noun for noun in nouns if noun in caption.lower() and noun not in text.lower()]
    new = sorted(set(_numbers(text)) - set(_numbers(caption)))
    why = "; ".join(([f"lost {', '.join(lost)}"] if lost else []) + ([f"added {', '.join(new)}"] if new else []))
    return {"text": caption if why else text, "kept": not why, "why": why}


def checked(caption: str, facts: Mapping[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    """``ok`` and ``wrong``, as the model judges the caption by the facts.

    Raises:
        EndpointError: the answer is no such JSON.
    """
    answer = endpoint.ask(CHECK, json.dumps({"facts": facts, "caption": caption}, ensure_ascii=False))
    found = re.search(r"\{.*\}", answer, re.DOTALL)
    try:
        tree = json.loads(found[0] if found else answer)
        return {"ok": bool(tree["ok"]), "wrong": [str(w) for w in tree["wrong"]]}
    except (ValueError, KeyError, TypeError) as error:
        raise EndpointError(f"{endpoint.url}: expected JSON with ok and wrong, got {answer[:200]!r}") from error


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?", text)
