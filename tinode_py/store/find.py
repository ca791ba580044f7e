"""Searching by tags in SQL.

The answer is made of parts in which all have one rank: those who hold just these of the asked
tags and no other. Within a part the index tells the order by itself, groups first, and reading
ends at the limit, however many hold a tag. Parts are read by rank, the highest first, until
there is enough; each is driven by the rarest of its tags.

There are two to the power of the optional tags of them. Where that is too many, or where a
term has alternatives, those are ranked who may have more than the least rank: they hold one of
the rarer terms. The others follow in the order of the index.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import msgspec

from ..queries import FindByTags
from ..records import Found
from . import rows
from .base import ALIAS, ALIAS_WEIGHT
from .statements import Row, Statements

_OPTIONAL = 3  # tags up to which all parts are read one by one
_FEW, _MANY = 1024, 32_768  # holders of a tag up to which it is counted, at first and then

Hit = tuple[str, tuple[str, ...], int]  # owner, matched tags in order, members

_SEEN = "o.updated, o.auth, o.anon, CAST(o.public AS BLOB), CAST(o.trusted AS BLOB)"
_RANKED = f"""
WITH candidate (owner) AS (
    SELECT DISTINCT t.owner FROM json_each(?1) AS j CROSS JOIN tag AS t
    WHERE t.tag = j.value AND t.owner <> ?2
        AND (t.owner >= 'usr' OR t.owner >= 'grp' AND t.owner < 'grq')
), hit (owner, term, tag) AS (
    SELECT c.owner, CAST(j.value ->> 0 AS BIGINT), t.tag
    FROM candidate AS c CROSS JOIN json_each(?3) AS j CROSS JOIN tag AS t
    WHERE t.tag = j.value ->> 1 AND t.owner = c.owner
)
SELECT h.owner, json_group_array(DISTINCT h.tag), coalesce(m.members, 0) AS members
FROM hit AS h
LEFT JOIN account AS a ON a.id = h.owner
LEFT JOIN topic AS g ON g.name = h.owner
LEFT JOIN membership AS m ON m.topic = h.owner
WHERE coalesce(a.state, g.state) = 'ok' OR (?4 <> 0 AND coalesce(a.state, g.state) <> 'del')
GROUP BY h.owner, m.members
HAVING count(DISTINCT CASE WHEN h.term >= 0 THEN h.term END) = ?5
ORDER BY count(DISTINCT h.tag) + {ALIAS_WEIGHT - 1} * count(
    DISTINCT CASE WHEN substr(h.tag, 1, {len(ALIAS)}) = '{ALIAS}' THEN h.tag END) DESC,
    members DESC, h.owner
LIMIT ?6"""

_HOLDERS = """
SELECT count(*) FROM (
    SELECT 1 FROM tag WHERE tag IN (SELECT value FROM json_each(?)) LIMIT ?) AS counted"""
_GROUPS = """
SELECT t.owner, coalesce(m.members, 0) AS members
FROM tag AS t CROSS JOIN topic AS o ON o.name = t.owner
LEFT JOIN membership AS m ON m.topic = t.owner
WHERE t.tag = ? AND t.owner >= 'grp' AND t.owner < 'grq' {others}
ORDER BY members DESC, t.owner LIMIT ?"""
_USERS = f"""
SELECT t.owner, {_SEEN} FROM tag AS t CROSS JOIN account AS o ON o.id = t.owner
WHERE t.tag = ? AND t.owner >= 'usr' {{others}}
ORDER BY t.owner LIMIT ?"""
_THESE_USERS = f"""
SELECT o.id, {_SEEN}, 0 FROM account AS o
WHERE o.state <> 'del' AND o.id IN (SELECT value FROM json_each(?))"""
_THESE_GROUPS = f"""
SELECT o.name, {_SEEN}, o.channel FROM topic AS o
WHERE o.name IN (SELECT value FROM json_each(?))"""
_ALSO = " AND EXISTS (SELECT 1 FROM tag AS x WHERE x.tag = ? AND x.owner = t.owner)"
_NOT = _ALSO.replace("EXISTS", "NOT EXISTS")
_REST = " AND t.owner <> ? AND (o.state = 'ok' OR (? <> 0 AND o.state <> 'del'))"


def found_by_tags(db: Statements, query: FindByTags) -> tuple[Found, ...]:
    """Who is found, best first, as `FindByTags` says."""
    required = {tuple(sorted(set(either))) for either in query.required}
    if () in required or not (required or query.optional):
        return ()
    if any(len(either) > 1 for either in required):
        rarest = min(required, key=lambda either: (_holders(db, either, _FEW), either))
        return tuple(_described(db, _ranked(db, query, rarest)))
    held = {tag for (tag,) in required}
    optional = set(query.optional) - held
    if len(optional) <= _OPTIONAL:
        return tuple(_by_parts(db, query, held, optional))
    return tuple(_of_many(db, query, _rarest_first(db, held), _rarest_first(db, optional)))


def _by_parts(
    db: Statements, query: FindByTags, required: set[str], optional: set[str]
) -> list[Found]:
    order = _rarest_first(db, required | optional)
    found: list[Found] = []
    for parts in _parts(optional):
        some: list[Found] = []
        for part in parts:
            held = tuple(tag for tag in order if tag in required or tag in part)
            if held:
                most = query.limit - len(found)
                some += _of_one_rank(db, query, held, tuple(optional - part), most)
        found += sorted(some, key=_rank) if len(parts) > 1 else some
        if len(found) >= query.limit:
            break
    return found[: query.limit]


def _parts(tags: set[str]) -> list[list[frozenset[str]]]:
    """All that one may hold of some tags, by what it weighs, the heaviest first."""
    levels: dict[int, list[frozenset[str]]] = {}
    for size in range(len(tags) + 1):
        for part in map(frozenset, combinations(sorted(tags), size)):
            levels.setdefault(_weight(part), []).append(part)
    return [levels[weight] for weight in sorted(levels, reverse=True)]


def _of_many(
    db: Statements, query: FindByTags, required: list[str], optional: list[str]
) -> list[Found]:
    single, plain = tuple(required), tuple(optional)
    if not single:  # whoever has not the most frequent one alone
        single, plain = plain[-1:], plain[:-1]
    elif _holders(db, single[:1], _FEW) < _FEW:
        return _described(db, _ranked(db, query, single[:1]))
    best = _described(db, _ranked(db, query, plain))
    known = {found.name for found in best}
    rest = _of_one_rank(db, query, single, (), query.limit + len(best))
    best += [found for found in rest if found.name not in known]
    return sorted(best, key=_rank)[: query.limit]


def _weight(tags: Iterable[str]) -> int:
    return sum(ALIAS_WEIGHT if tag.startswith(ALIAS) else 1 for tag in tags)


def _rank(found: Found) -> tuple[int, int, str]:
    return -_weight(found.tags), -found.members, found.name


def _rarest_first(db: Statements, tags: set[str]) -> list[str]:
    """Tags by the number of their holders, as far as that is counted."""
    if len(tags) < 2:
        return list(tags)
    counted = sorted((_holders(db, (tag,), _FEW), tag) for tag in tags)
    rare = [tag for count, tag in counted if count < _FEW]
    others = [tag for count, tag in counted if count == _FEW]
    if len(others) > 1:
        others.sort(key=lambda tag: (_holders(db, (tag,), _MANY), tag))
    return rare + others


def _holders(db: Statements, tags: tuple[str, ...], most: int) -> int:
    ((count,),) = db.rows(_HOLDERS, (rows.encoded(tags), most))
    return int(count)


def _of_one_rank(
    db: Statements, query: FindByTags, held: tuple[str, ...], lacking: tuple[str, ...], limit: int
) -> list[Found]:
    """Those who hold the first tags, of which the very first is the rarest, and none of the
    others, in order.
    """
    others = _ALSO * (len(held) - 1) + _NOT * len(lacking) + _REST
    asked = (*held, *lacking, query.exclude, int(query.any_state))
    matched = tuple(sorted(held))
    groups = db.rows(_GROUPS.format(others=others), (*asked, limit))
    found = _described(db, [(name, matched, members) for name, members in groups])
    users = db.rows(_USERS.format(others=others), (*asked, limit - len(found)))
    found += [Found(name, matched, *seen) for name, *seen in users]
    return found


def _described(db: Statements, hits: list[Hit]) -> list[Found]:
    """The hits with what is shown of them; without those that a commit has taken meanwhile."""
    users = [name for name, *_ in hits if name.startswith("usr")]
    groups = [name for name, *_ in hits if name.startswith("grp")]
    seen: dict[str, Row] = {}
    for statement, names in ((_THESE_USERS, users), (_THESE_GROUPS, groups)):
        if names:
            seen.update((row[0], row[1:]) for row in db.rows(statement, (rows.encoded(names),)))
    return [_found(name, tags, seen[name], members) for name, tags, members in hits if name in seen]


def _found(name: str, tags: tuple[str, ...], seen: Row, members: int) -> Found:
    updated, auth, anon, public, trusted, channel = seen
    return Found(name, tags, updated, auth, anon, public, trusted, bool(channel), members)


def _ranked(db: Statements, query: FindByTags, holders_of: tuple[str, ...]) -> list[Hit]:
    """Those among the holders of some tags who fit the query."""
    terms = [(i, tag) for i, either in enumerate(query.required) for tag in either]
    terms += [(-1, tag) for tag in query.optional]
    found = db.rows(
        _RANKED,
        (
            *(rows.encoded(holders_of), query.exclude, rows.encoded(terms)),
            *(int(query.any_state), len(query.required), query.limit),
        ),
    )
    return [(owner, tuple(sorted(msgspec.json.decode(tags))), n) for owner, tags, n in found]
