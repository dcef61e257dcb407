"""The forms of sentences that people describe a bird with; each takes a `Speaker` and returns lower-case text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackgan_cli.drawn_birds import wording
from stackgan_cli.drawn_birds.attributes import choose
from stackgan_cli.drawn_birds.speaker import COLOURED, is_plural, listing, with_article

if TYPE_CHECKING:
    from collections.abc import Callable

    from stackgan_cli.drawn_birds.speaker import Speaker


def short(speaker: Speaker) -> str:
    """``a small red bird``: the first caption of every bird."""
    noun = speaker.bird_noun()
    return with_article(noun) if speaker.likely(0.7) else noun


def _named(speaker: Speaker) -> str:
    """``a small red bird with black wings and a long beak``."""
    noun = speaker.bird_noun()
    having = choose(speaker.rng, (" with ", " with ", " with ", " that has ", " with its ", " who has ", ", "))
    names = speaker.parts(3)
    if having == " with its ":
        clauses = [clause.replace(" are ", " being ").replace(" is ", " being ") for clause in _of(speaker, names)]
        text = f"{noun} with {listing(clauses)}"
    else:
        text = noun + having + listing(speaker.possessions(names))
    return with_article(text) if speaker.likely(0.75) else text


def _of(speaker: Speaker, names: list[str]) -> list[str]:
    """Clauses for these parts; a pattern alone becomes one of the wings."""
    return speaker.clauses([name for name in names if name != "pattern"] or ["wing_colour"])


def _named_in_scene(speaker: Speaker) -> str:
    """``red bird with black wings, standing in the snow``."""
    text = _named(speaker)
    return text + choose(speaker.rng, (", ", " ")) + speaker.scene()


def _placed(speaker: Speaker) -> str:
    """``a tiny yellow bird perched on a branch``, ``a tiny yellow bird sits on a branch``."""
    noun = speaker.bird_noun()
    text = with_article(noun) if speaker.likely(0.75) else noun
    scene = speaker.scene()
    verb, _, rest = scene.partition(" ")
    if verb in wording.VERBS and speaker.likely(0.3):
        return f"{text} {wording.VERBS[verb]} {rest}".strip()
    return text + choose(speaker.rng, (" ", " ", " ", ", ", " is ", " that is ")) + scene


def _scene_first(speaker: Speaker) -> str:
    """``in the snow, a red bird``, ``on a branch sits a blue bird``."""
    noun = speaker.bird_noun() if speaker.likely(0.85) else speaker.uncoloured_noun()
    bird = with_article(noun)
    if speaker.likely(0.45):
        bird += f" with {listing(speaker.possessions(speaker.parts(3)))}"
    if speaker.likely(0.45):
        return f"{speaker.arrival()} {bird}"
    return speaker.scene() + choose(speaker.rng, (", ", ": ", ", there is ", " is ")) + bird


def _place_first(speaker: Speaker) -> str:
    """``a meadow with a white bird standing in it``, ``it's snowing and a blue bird flies by``."""
    noun = speaker.bird_noun() if speaker.likely(0.85) else speaker.uncoloured_noun()
    bird = with_article(noun)
    if speaker.likely(0.3):
        bird += f" with {listing(speaker.possessions(speaker.parts(2)))}"
    place = speaker.place()
    if speaker.likely(0.4):
        return f"{place}{choose(speaker.rng, (', ', ' and '))}{bird} {speaker.there(verb=True)}"
    link = " and " if place.startswith("it") else choose(speaker.rng, (" with ", ", "))
    return f"{place}{link}{bird} {speaker.there(verb=False)}" if speaker.likely(0.7) else f"{place}{link}{bird}"


def _presented(speaker: Speaker) -> str:
    """``this is a large white bird with a gray head``, ``a drawing of a large white bird``."""
    opening = choose(speaker.rng, wording.OPENINGS)
    if speaker.likely(0.4):
        opening = with_article(choose(speaker.rng, wording.THINGS)) + " of "
    noun = with_article(speaker.bird_noun())
    lot = speaker.rng.random()
    if lot < 0.2:
        return opening + noun
    if lot < 0.45:
        return f"{opening}{noun} {speaker.scene()}"
    return f"{opening}{noun} with {listing(speaker.possessions(speaker.parts(3)))}"


def _stated_of_it(speaker: Speaker) -> str:
    """``the bird is blue and has a long beak``."""
    subject = choose(speaker.rng, ("the bird", "this bird", "it", "the bird in the picture", "a bird that"))
    qualities = speaker.colour("body_colour")
    if speaker.likely(0.35):
        qualities = f"{speaker.size()} and {qualities}"
    text = f"{subject} is {qualities}"
    if speaker.likely(0.2):
        return f"{text} {choose(speaker.rng, ('and is', 'and it is'))} {speaker.scene()}"
    if speaker.likely(0.2):
        return f"{text} but {listing(_of(speaker, speaker.parts(2)))}"
    link = choose(speaker.rng, (" and has ", " with ", " and it has ", ", it has ", ". it has "))
    return text + link + listing(speaker.possessions(speaker.parts(2)))


def _body_among_parts(speaker: Speaker) -> str:
    """``this small bird has black wings and a red body``."""
    opening = choose(
        speaker.rng, ("this {} has ", "the {} has ", "a {} with ", "a {} that has ", "{} with ", "{} having ")
    )
    subject = speaker.uncoloured_noun(0.4)
    return opening.format(subject) + listing(speaker.possessions(speaker.parts(3, body=True)))


def _told_of_parts(speaker: Speaker) -> str:
    """``a red bird. its wings are black``, ``a bird: its head is blue, its wings are red and its body is yellow``."""
    if speaker.likely(0.5):
        noun = with_article(speaker.bird_noun())
        names = speaker.parts(2)
    else:
        noun = with_article(speaker.uncoloured_noun(0.3))
        names = speaker.coloured_parts(4)
    return noun + choose(speaker.rng, (". ", ", ", ": ", "; ")) + listing(_of(speaker, names))


def _clauses(speaker: Speaker) -> str:
    """``its head is blue, its wings are red and its body is yellow``."""
    clauses = _of(speaker, speaker.coloured_parts(5))
    if speaker.likely(0.2):
        clauses.append(f"it is {speaker.size()}")
    if speaker.likely(0.3):
        return choose(speaker.rng, (", ", ". ", "; ")).join(clauses)
    return listing(clauses)


def _parts_only(speaker: Speaker) -> str:
    """``white head, blue body, orange wings``, ``black wings and a white body``."""
    names = speaker.coloured_parts(4)
    if speaker.likely(0.25):
        names.insert(int(speaker.rng.random() * (len(names) + 1)), "beak")
    if speaker.likely(0.3):
        text = listing(speaker.possessions(names))
    else:
        words = [speaker.bare(name) for name in names]
        text = listing(words) if speaker.likely(0.3) else choose(speaker.rng, (", ", ", ", ", ", " ")).join(words)
    if speaker.likely(0.15):
        text += f", {speaker.scene()}"
    return f"{speaker.size()}, {text}" if speaker.likely(0.1) else text


def _reversed_parts(speaker: Speaker) -> str:
    """``head white, body blue``, ``wings: orange, tail: red``."""
    mark = choose(speaker.rng, (" ", ": ", " = ", " in "))
    words = []
    for name in speaker.coloured_parts(4):
        noun = choose(speaker.rng, wording.PARTS[name])
        words.append(f"{noun}{mark}{speaker.colour(name)}")
    opening = choose(speaker.rng, ("", "", "bird, ", "a bird, ", "bird: "))
    return opening + ", ".join(words)


def _keywords(speaker: Speaker) -> str:
    """``bird, green body, brown tail``."""
    if speaker.likely(0.5):
        words = [speaker.bird_noun()]
        names = speaker.parts(3)
    else:
        words = [speaker.uncoloured_noun(0.25)] if speaker.likely(0.6) else []
        names = speaker.coloured_parts(4)
    words += [speaker.bare(name) for name in names]
    if speaker.likely(0.3):
        words.append(speaker.scene())
    return ", ".join(words)


def _rest(speaker: Speaker) -> str:
    """``the wings are green and the rest of it is brown``, ``a white bird except for its black wings``."""
    found = speaker.exceptions()
    if found is None:
        return _one_colour(speaker) if speaker.bird.one_colour else _clauses(speaker)
    rng = speaker.rng
    main, names = speaker.spelt(found[0]), found[1]
    names.sort(key=lambda _: rng.random())
    rest = choose(rng, ("the rest of it", "everything else", "the rest", "the rest of the bird", "all the rest"))
    lot = rng.random()
    if lot < 0.35:
        link = choose(rng, (" and ", ", ", ", and ", ". "))
        text = listing(_of(speaker, names)) + link + f"{rest} is {main}"
    elif lot < 0.6 or "body_colour" in names:
        items = speaker.possessions(names) if speaker.likely(0.4) else [speaker.bare(name) for name in names]
        ending = choose(rng, (", otherwise {}", ", otherwise all {}", ", the rest {}", ", rest is {}", ", else {}"))
        opening = choose(rng, ("", "", "a bird with ", "bird with "))
        text = opening + listing(items) + ending.format(main)
    elif lot < 0.75:
        opening = choose(rng, ("an otherwise {} bird with ", "otherwise {} bird with ")).format(main)
        text = opening + listing(speaker.possessions(names))
    elif lot < 0.88:
        opening = choose(rng, ("a {} bird", "{} bird", "all {}", "a completely {} bird", "it is all {}")).format(main)
        link = choose(rng, (" except for ", " apart from ", " but for "))
        if speaker.likely(0.3):
            link = choose(rng, (" except ", " but for ", ", only not "))
            owned = [speaker.which_is(name) for name in names]
        else:
            owned = [f"its {speaker.bare(name)}" for name in names]
        text = opening + link + listing(owned)
    else:
        opening = choose(rng, ("a {} bird", "{} bird", "all {}")).format(main)
        text = opening + choose(rng, (", only ", ", but ", ", just ")) + listing(_of(speaker, names))
    speaker.said.update(COLOURED)
    return text


def _one_colour(speaker: Speaker) -> str:
    """``a bird, red all over``, ``every part of it is red``."""
    colour = speaker.colour("body_colour")
    speaker.said.update(COLOURED)
    form = choose(speaker.rng, ("a {1}, {0}", "{1} that is {0}", "{0}", "the {1} is {0}", "a {1}, everything is {2}"))
    if speaker.likely(0.15):
        form = "every part of the {1} is {2}"
    noun = speaker.uncoloured_noun(0.3) if "{1}" in form else ""
    return form.format(choose(speaker.rng, wording.ALL_OVER).format(colour), noun, colour)


def _coloured(speaker: Speaker) -> str:
    """``a bird in red``, ``a red one with black wings``, ``a bird coloured red``."""
    form = choose(
        speaker.rng,
        (
            "a {1} in {0}",
            "a {1} coloured {0}",
            "{1} colored {0}",
            "a {1} that is {0}",
            "a {1} of {0} colour",
            "{1}, {0}",
            "{0} {1}",
            "a {1} which is {0} in color",
            "{0} one",
        ),
    )
    text = form.format(speaker.colour("body_colour"), speaker.uncoloured_noun(0.3) if "{1}" in form else "")
    return f"{text} with {listing(speaker.possessions(speaker.parts(3)))}" if speaker.likely(0.6) else text


def _colour_on_parts(speaker: Speaker) -> str:
    """``a white bird, blue on the wings and red on the head``."""
    names = [name for name in speaker.coloured_parts(3) if name != "body_colour"]
    owner = choose(speaker.rng, ("the", "its"))
    items = [f"{speaker.colour(name)} on {owner} {choose(speaker.rng, wording.PARTS[name])}" for name in names]
    noun = speaker.bird_noun() if speaker.likely(0.8) else speaker.uncoloured_noun()
    return with_article(noun) + choose(speaker.rng, (", ", " with ", " that is ")) + listing(items)


def _compound(speaker: Speaker) -> str:
    """``a black-winged red bird``, ``a red-headed, blue-winged bird``, ``bird, long-billed``."""
    names = [name for name in speaker.parts(2) if name in wording.COMPOUNDS] or ["beak"]
    words = []
    for name in names:
        first = speaker.bird.beak if name == "beak" else speaker.colour(name)
        speaker.said.add(name)
        words.append(
            f"{first}{choose(speaker.rng, ('-', '-', '-', ' '))}{choose(speaker.rng, wording.COMPOUNDS[name])}"
        )
    size = f"{speaker.size()} " if speaker.likely(0.25) else ""
    described = choose(speaker.rng, (", ", " ", " and ")).join(words)
    noun = speaker.bird_noun(0.0) if speaker.likely(0.8) else "bird"
    text = f"{size}{noun}, {described}" if speaker.likely(0.12) else f"{size}{described} {noun}"
    if speaker.likely(0.3):
        text += f" {speaker.scene()}"
    return with_article(text) if speaker.likely(0.75) else text


def _relative(speaker: Speaker) -> str:
    """``a red bird whose wings are black``."""
    noun = with_article(speaker.bird_noun())
    adjectives, part = speaker.part(next((name for name in speaker.parts(2) if name != "pattern"), "wing_colour"))
    if adjectives.split()[0] != "very":
        adjectives = adjectives.replace(" ", " and ")
    return f"{noun} whose {part} {'are' if is_plural(part) else 'is'} {adjectives}"


def _wished(speaker: Speaker) -> str:
    """``draw a small red bird``, ``can you draw a bird with black wings?``."""
    asked = speaker.likely(0.4)
    opening = choose(speaker.rng, wording.QUESTIONS if asked else wording.WISHES)
    lot = speaker.rng.random()
    if lot < 0.35:
        wish = _named(speaker)
    elif lot < 0.6:
        wish = with_article(speaker.bird_noun(0.6))
    elif lot < 0.8:
        wish = f"{with_article(speaker.bird_noun())} {speaker.scene()}"
    else:
        wish = f"a bird with {listing(speaker.possessions(speaker.parts(3, body=True)))}"
    return opening + wish + ("?" if asked and speaker.likely(0.7) else "")


def _without_body(speaker: Speaker) -> str:
    """``bird with an orange head``, ``a huge bird in flight``: the colour of the body goes unsaid."""
    noun = speaker.uncoloured_noun(0.5)
    text = with_article(noun) if speaker.likely(0.6) else noun
    lot = speaker.rng.random()
    if lot < 0.12:
        return with_article(f"{speaker.size()} bird")
    if lot < 0.7:
        text += f" with {listing(speaker.possessions(speaker.parts(3)))}"
        return f"{text} {speaker.scene()}" if speaker.likely(0.3) else text
    return f"{text} {speaker.scene()}"


def _bare(speaker: Speaker) -> str:
    """``red bird``."""
    noun = speaker.bird_noun()
    return choose(speaker.rng, (noun, with_article(noun), f"the {noun}", f"one {noun}"))


def _full(speaker: Speaker) -> str:
    """``a large white bird with a gray head and striped wings is standing in the snow``."""
    noun = with_article(speaker.bird_noun(0.7))
    text = f"{noun} with {listing(speaker.possessions(speaker.parts(4)))}"
    return f"{text}{choose(speaker.rng, (' is ', ', ', ' that is '))}{speaker.scene()}"


def _sentences(speaker: Speaker) -> str:
    """``it is a red bird. its wings are black. it has a long beak. it is standing in the snow``."""
    rng = speaker.rng
    first = choose(rng, ("it is {}", "{}", "this is {}", "here is {}")).format(with_article(speaker.bird_noun()))
    sentences = [listing(_of(speaker, speaker.parts(2)))]
    if "beak" not in speaker.said and speaker.likely(0.4):
        sentences.append(f"it has {speaker.possession('beak')}")
    if speaker.likely(0.5):
        sentences.append(f"it is {speaker.scene()}")
    return ". ".join([first, *sentences])


FORMS: tuple[Callable[[Speaker], str], ...] = (
    *(_named, _named, _named, _named_in_scene, _placed, _placed, _scene_first, _place_first, _presented, _stated_of_it),
    *(_body_among_parts, _body_among_parts, _told_of_parts, _clauses, _parts_only, _parts_only, _reversed_parts),
    *(_keywords, _rest, _rest, _coloured, _colour_on_parts, _compound, _compound, _relative, _wished, _wished),
    *(_without_body, _without_body, _bare, _full, _sentences),
)
"""The forms, each as often as it is to be chosen."""

NEEDS_COMMAS = frozenset({_reversed_parts})
"""Forms that could be read in two ways without their commas: ``head white, body blue``."""
