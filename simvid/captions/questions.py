"""Questions and answers of the four kinds of CLEVRER (Yi et al. 2020): descriptive, explanatory, predictive,
counterfactual. Answers follow from the simulation; a counterfactual is simulated.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from simvid.captions.events import Event, contacts
from simvid.captions.narration import Story, story
from simvid.captions.things import Thing
from simvid.clip import Clip
from simvid.errors import PhysicsError, SceneError
from simvid.parsing import parse_scene
from simvid.scene import Scene
from simvid.trajectory import Trajectory

QuestionKind: TypeAlias = Literal["descriptive", "explanatory", "predictive", "counterfactual"]
Simulate: TypeAlias = Callable[[Scene], Trajectory]
SHOWN = 2 / 3
"""Share of the clip that is seen before a predictive question."""
MOST_CHOICES = 4


@dataclass(frozen=True)
class Question:
    """A question with its answer: a word or a number, or for each choice whether it is right."""

    kind: QuestionKind
    text: str
    answer: str | int | None = None
    choices: tuple[tuple[str, bool], ...] = ()
    seen_s: float | None = None
    """The question is asked after so much of the video; None after all of it."""
    evidence: dict[str, Any] = field(default_factory=dict)

    def as_tree(self) -> dict[str, Any]:
        """For JSON."""
        tree: dict[str, Any] = {"kind": self.kind, "question": self.text}
        if self.choices:
            tree["choices"] = [{"text": text, "correct": right} for text, right in self.choices]
        else:
            tree["answer"] = self.answer
        if self.seen_s is not None:
            tree["seen_s"] = round(self.seen_s, 6)
        return {**tree, "evidence": self.evidence} if self.evidence else tree


def questions(clip: Clip, seed: int = 0, simulate: Simulate | None = None) -> list[Question]:
    """All questions that a clip answers.

    Args:
        clip: an open one.
        seed: draws the words and the choices.
        simulate: runs physics; without it there are no counterfactual questions.
    """
    told, rng = story(clip), np.random.default_rng(seed)
    found = [*descriptive(told), *explanatory(told, rng), *predictive(told, rng)]
    return found + (counterfactual(clip, told, rng, simulate) if simulate is not None else [])


def descriptive(told: Story) -> list[Question]:
    """How many, what colour, whether two touch, how often something is hit."""
    found = [Question("descriptive", "How many things are there besides the ground?", len(told.things))]
    for noun in dict.fromkeys(t.noun for t in told.things):
        alike = [t for t in told.things if t.noun == noun]
        found.append(Question("descriptive", f"How many things called {noun} are there?", len(alike)))
        if len(alike) == 1 and alike[0].color is not None:
            found.append(Question("descriptive", f"What colour is the {noun}?", alike[0].color))
    hits = collisions(told.events)
    found.append(Question("descriptive", "How many times do two things begin to touch?", len(hits)))
    moving = {e.things[0] for e in told.events if e.kind == "move"}
    found += [
        Question("descriptive", f"Does {thing.phrase} move?", "yes" if thing.name in moving else "no")
        for thing in told.things
        if thing.movable and not thing.robot
    ]
    return found


def collisions(events: Sequence[Event]) -> list[Event]:
    """Contacts that begin in the clip."""
    return [e for e in events if e.kind == "contact" and e.begins]


def causes(event: Event, told: Story) -> list[Event]:
    """The collisions that an event follows from: earlier ones of what takes part in it, and what those follow from.

    The ground and what never moves pass nothing on.
    """
    carriers = {t.name for t in told.things if t.movable}
    hits, found = collisions(told.events), list[Event]()
    waiting = [(name, event.start_s) for name in event.things if name in carriers]
    while waiting:
        name, before_s = waiting.pop()
        for hit in hits:
            if name in hit.things and hit.start_s < before_s and hit is not event and hit not in found:
                found.append(hit)
                waiting += [(other, hit.start_s) for other in hit.things if other in carriers and other != name]
    return sorted(found, key=lambda e: e.start_s)


def explanatory(told: Story, rng: np.random.Generator) -> list[Question]:
    """Which collisions a later event follows from, of those that come before and after it."""
    found = []
    begun = [e for e in told.events if e.kind in ("topple", "contact") and e.begins and _told(e, told)]
    texts = _texts(begun, told)
    for event, text in zip(begun, texts, strict=True):
        reasons = causes(event, told)
        others = [(t, h in reasons) for h, t in zip(begun, texts, strict=True) if h.kind == "contact" and t != text]
        if not reasons or len(others) < 2:
            continue
        found.append(Question("explanatory", f"Which of these is responsible for this: {text}?",
                              choices=_choices(others, rng), evidence={"at_s": event.start_s}))  # fmt: skip
    return found


def predictive(told: Story, rng: np.random.Generator) -> list[Question]:
    """Which things begin to touch after two thirds of the video, of those that do and those that never do."""
    cut_s = told.duration_s * SHOWN
    later = {h.things for h in collisions(told.events) if h.start_s > cut_s}
    before = {h.things for h in collisions(told.events) if h.start_s <= cut_s}
    ever = {e.things for e in told.events if e.kind == "contact"}
    phrases = _pairs(told)
    right = [pair for pair in phrases if pair in later and pair not in before]
    wrong = [pair for pair in phrases if pair not in ever]
    if not right or not wrong:
        return []
    choices = _choices([(phrases[p], True) for p in right] + [(phrases[p], False) for p in wrong], rng)
    return [Question("predictive", "What will happen next?", choices=choices, seen_s=cut_s)]


def counterfactual(clip: Clip, told: Story, rng: np.random.Generator, simulate: Simulate) -> list[Question]:
    """What would touch what if one body had not been there: the scene without it is simulated."""
    hits, found = collisions(told.events), []
    for thing in told.things:
        if not thing.movable or thing.robot or not any(thing.name in h.things for h in hits):
            continue
        other = touches_without(clip.scene, thing.name, simulate)
        if other is None:
            continue
        happened = {h.things for h in hits}
        phrases = {p: text for p, text in _pairs(told).items() if thing.name not in p}
        rows = [(text, pair in other) for pair, text in phrases.items() if pair in other or pair in happened]
        rows += [(text, False) for pair, text in phrases.items() if pair not in other and pair not in happened][:1]
        if rows:
            evidence = {"simulated_without": thing.name, "engine": clip.trajectory.engine}
            text = f"What would happen without {thing.phrase}?"
            found.append(Question("counterfactual", text, choices=_choices(rows, rng), evidence=evidence))
    return found


def touches_without(scene: Scene, name: str, simulate: Simulate) -> set[tuple[str, ...]] | None:
    """The pairs that begin to touch in the scene without a body; None where it does not run without the body."""
    other = without(scene, name)
    try:
        return None if other is None else {h.things for h in contacts(simulate(other)) if h.begins}
    except (SceneError, PhysicsError):  # a script names the body, or cannot be done without it
        return None


def without(scene: Scene, name: str) -> Scene | None:
    """The scene without a body, and without ``success``, which may name it; None where something else in it needs the
    body, or it is one of several copies."""
    tree = scene.model_dump(mode="json", exclude_unset=True, exclude={"success"})
    bodies = tree.get("bodies", [])
    kept = [body for body in bodies if body["name"] != name or body.get("count", 1) > 1]
    if len(kept) == len(bodies):
        return None
    try:
        return parse_scene(json.dumps({**tree, "bodies": kept}), scene._file, scene._base, [], cut=True)
    except SceneError:
        return None


def _pairs(told: Story) -> dict[tuple[str, ...], str]:
    """Every pair of things of which one may move -> that they touch, in words; and each with the ground."""
    named = [*told.things]
    found: dict[tuple[str, ...], str] = {}
    for i, a in enumerate(named):
        if a.movable:
            found["ground", a.name] = f"{a.phrase} touches the ground"
        for b in named[i + 1 :]:
            if a.movable or b.movable:
                found[a.name, b.name] = f"{a.phrase} and {b.phrase} touch"
    return found


def _told(event: Event, told: Story) -> bool:
    names = {"ground", *(t.name for t in told.things)}
    return set(event.things) <= names


def _texts(events: Sequence[Event], told: Story) -> list[str]:
    """Events in words, with their time where the same happens more than once."""
    plain = [_that(event, told) for event in events]
    counts = Counter(plain)
    return [f"{t} at {e.start_s:.2f} s" if counts[t] > 1 else t for t, e in zip(plain, events, strict=True)]


def _that(event: Event, told: Story) -> str:
    words = [_phrase(name, told.things) for name in event.things]
    return f"{words[0]} topples over" if event.kind == "topple" else f"{words[0]} and {words[1]} touch"


def _phrase(name: str, named: Sequence[Thing]) -> str:
    return next((t.phrase for t in named if t.name == name), f"the {name}")


def _choices(rows: Sequence[tuple[str, bool]], rng: np.random.Generator) -> tuple[tuple[str, bool], ...]:
    """At most four, at least one right one where there is one, in an order drawn by the seed; each text once, right if
    any of its rows is."""
    right = list(dict.fromkeys(row for row in rows if row[1]))
    wrong = [row for row in dict.fromkeys(rows) if not row[1] and (row[0], True) not in right]
    right = [right[k] for k in rng.permutation(len(right))]
    wrong = [wrong[k] for k in rng.permutation(len(wrong))]
    share = max(MOST_CHOICES // 2, MOST_CHOICES - len(wrong))
    chosen = right[:share]
    chosen += wrong[: MOST_CHOICES - len(chosen)]
    return tuple(chosen[k] for k in rng.permutation(len(chosen)))
