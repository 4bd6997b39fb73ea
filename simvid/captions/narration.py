"""Captions from things, relations and events: short, long, and structured; the words vary with a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simvid.captions.all_events import events
from simvid.captions.events import Event
from simvid.captions.relations import CameraMotion, Relation, camera_motion, relations
from simvid.captions.things import ORDINALS, Thing, body_of, things
from simvid.clip import Clip

CAPTION_FILE = "captions.json"
SAID = {
    "contact": ("{a} hits {b}", "{a} touches {b}", "{a} comes into contact with {b}", "{a} bumps into {b}"),
    "fall": ("{a} falls", "{a} drops", "{a} is in free fall"),
    "grasp": ("{a} grasps {b}", "{a} takes hold of {b}", "{a} grips {b}"),
    "lift": ("{a} lifts {b}", "{a} raises {b}", "{a} picks {b} up"),
    "topple": ("{a} topples over", "{a} tips over", "{a} falls over"),
    "break": ("{a} breaks off {b}", "{a} tears off {b}", "the joint between {a} and {b} breaks"),
    "break_alone": ("{a} breaks off", "{a} tears loose", "the joint of {a} breaks"),
    "release": ("{a} lets go of {b}", "{a} releases {b}", "{a} puts {b} down"),
    "push": ("{a} pushes {b}", "{a} shoves {b}", "{a} moves {b} along"),
    "slide": ("{a} slides {b} over {c}", "{a} draws {b} across {c}", "{a} wipes {c} with {b}"),
    "tip": ("{a} tips {b}", "{a} tilts {b}", "{a} turns {b} over"),
    "open": ("{a} opens {b}", "{a} moves {b} on its joint", "{a} pulls {b} open"),
    "deform": ("{a} is bent out of shape", "{a} deforms", "{a} loses its shape"),
    "flow": ("{a} flows", "{a} is in flow", "{a} runs"),
    "move": ("{a} moves", "{a} is under way", "{a} changes its place"),
}
OPENINGS = ("There are {list}.", "The scene shows {list}.", "One sees {list}.", "In view: {list}.")
CAMERA = ("The camera {words}.", "Meanwhile the camera {words}.", "The camera of this shot {words}.")
TIMES = ("at {t:.2f} s", "after {t:.2f} seconds")
RELATION = {"left_of": "to the left of", "right_of": "to the right of", "in_front_of": "in front of",
            "behind": "behind", "on": "on"}  # fmt: skip
MASS = frozenset({"sand", "water", "snow", "honey", "dough", "clay", "mud", "oil", "milk", "jelly", "foam", "gravel"})
"""Nouns of what is not counted: one sees sand, not a sand."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
WEIGHT = {
    "open": 9, "break": 8.5, "tip": 8, "slide": 7.5, "lift": 7, "grasp": 5, "push": 4, "topple": 3.5, "flow": 3,
    "deform": 2.5, "fall": 2, "contact": 1, "release": 0.5, "move": 0,
}  # fmt: skip
MOST_RELATIONS, MOST_LISTED, MOST_EVENTS = 3, 8, 24


@dataclass(frozen=True)
class Story:
    """All that there is to tell of a clip, seen by one camera."""

    things: tuple[Thing, ...]
    relations_first: tuple[Relation, ...]
    relations_last: tuple[Relation, ...]
    camera: CameraMotion
    events: tuple[Event, ...]
    duration_s: float


def story(clip: Clip, camera: str | None = None) -> Story:
    """Look at a clip.

    Args:
        clip: an open one.
        camera: whose left and right count; None is the first.

    Raises:
        ClipError: no such camera.
    """
    named, trajectory = things(clip), clip.trajectory
    camera = clip.record.cameras[0].name if camera is None else camera
    clip.arrays(camera)  # says which cameras there are
    path = clip.cameras[camera]
    last = clip.frame_count - 1
    return Story(
        named, relations(trajectory, path, named, 0), relations(trajectory, path, named, last), camera_motion(path),
        events(trajectory, {t.name for t in named if t.round}, jointed(clip)), last / clip.fps,
    )  # fmt: skip


def jointed(clip: Clip) -> frozenset[str]:
    """Instances that hang on a joint which holds to the end."""
    torn = {tie.things[0] for tie in clip.trajectory.ties if tie.kind == "break"}
    instances = {part.instance: body_of(clip.scene, part.instance) for part in clip.trajectory.parts}
    return frozenset(n for n, body in instances.items() if body is not None and body.joint is not None) - torn


def captions(clip: Clip, seed: int = 0, camera: str | None = None) -> dict[str, Any]:
    """``short``, ``long``, and ``structured`` with times; equal seeds give equal words."""
    told = story(clip, camera)
    rng = np.random.default_rng(seed)
    return {"short": short(told, rng), "long": long(told, rng), "structured": structured(told), "seed": seed}


def structured(told: Story) -> dict[str, Any]:
    """For programs."""
    return {
        "duration_s": round(told.duration_s, 6),
        "things": [thing.as_tree() for thing in told.things],
        "relations": {"first_frame": [r.as_tree() for r in told.relations_first],
                      "last_frame": [r.as_tree() for r in told.relations_last]},
        "camera": told.camera.as_tree(),
        "events": [event.as_tree() for event in told.events],
    }  # fmt: skip


def short(told: Story, rng: np.random.Generator) -> str:
    """One sentence: the weightiest event, or what there is."""
    worth = [e for e in told.events if e.begins or e.kind not in ("contact", "move")]
    if not worth:
        worth = [e for e in told.events if e.kind == "move"]
    if not worth:
        return _opening(told, rng)
    free = {t.name for t in told.things if t.movable}
    chosen = max(worth, key=lambda e: (WEIGHT[e.kind], set(e.things) <= free, -e.start_s))
    return _sentence(said(chosen, told.things, rng))


def long(told: Story, rng: np.random.Generator) -> str:
    """What there is, where, how the camera moves, and every event with its time, in order."""
    lines = [_opening(told, rng)]
    phrases = _phrases(told.things)
    kinds = Counter(_kind(t) for t in told.things)
    alone = {t.name for t in told.things if kinds[_kind(t)] == 1}
    shown = sorted(told.relations_first, key=lambda r: (r.kind != "on", not {r.first, r.second} <= alone))
    shown = shown[:MOST_RELATIONS]
    lines += [_sentence(f"{phrases[r.first]} is {RELATION[r.kind]} {phrases[r.second]}") for r in shown]
    lines.append(str(rng.choice(CAMERA)).format(words=told.camera.words))
    busy = {name for e in told.events if e.kind != "move" and e.begins for name in e.things}
    worth = [e for e in told.events if e.begins or e.kind != "contact"]
    worth = [e for e in worth if e.kind != "move" or e.things[0] not in busy]
    for event in worth[:MOST_EVENTS]:
        time = str(rng.choice(TIMES)).format(t=event.start_s)
        lines.append(_sentence(f"{said(event, told.things, rng)} {time}" if event.start_s > 0
                               else said(event, told.things, rng)))  # fmt: skip
    if len(worth) > MOST_EVENTS:
        lines.append(f"{len(worth) - MOST_EVENTS} more things happen.")
    return " ".join(lines)


def said(event: Event, named: Sequence[Thing], rng: np.random.Generator) -> str:
    """An event in words, without its time."""
    phrases = _phrases(named)
    words = [phrases.get(name, f"the {name}") for name in event.things]
    measured = event.measured
    if event.kind == "contact" and measured.get("second_speed_m_s", 0) > measured.get("first_speed_m_s", 0):
        words.reverse()  # who comes is named first
    kind = "break_alone" if event.kind == "break" and len(words) == 1 else event.kind
    return str(rng.choice(SAID[kind])).format(a=words[0], b=words[min(1, len(words) - 1)], c=words[-1])


def _phrases(named: Sequence[Thing]) -> dict[str, str]:
    return {"ground": "the ground", **{t.name: t.phrase for t in named}}


def _opening(told: Story, rng: np.random.Generator) -> str:
    kinds = Counter(_kind(t) for t in told.things)
    shown = [_some(kind, count) for kind, count in kinds.items()][:MOST_LISTED]
    rest = sum(list(kinds.values())[MOST_LISTED:])
    words = [*shown, f"{rest} more thing{'s' if rest > 1 else ''}"] if rest > 0 else shown
    text = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "an empty scene"
    return _sentence(str(rng.choice(OPENINGS)).format(list=text).rstrip("."))


def _kind(thing: Thing) -> str:
    """Its phrase without article and number: the same for things that look alike."""
    words = thing.phrase.split()[1:]
    if words[0] in ORDINALS:
        words = words[1:]
    return " ".join(words[:-2] if len(words) > 2 and words[-2] == "number" else words)


def _some(kind: str, count: int) -> str:
    if count == 1 and kind.rsplit(maxsplit=1)[-1] in MASS:
        return kind
    if count == 1:
        return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    number = NUMBERS[count] if count < len(NUMBERS) else str(count)
    ending = "es" if kind.endswith(("s", "x", "ch", "sh", "domino")) else "s"
    return f"{number} {kind}{ending}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
