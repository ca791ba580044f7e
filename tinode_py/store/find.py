"""Searching by tags in SQL.

Most searches give all that they find one rank: every term must match and has no alternative.
Then the index tells the answer in its own order, groups first, and reading ends at the limit,
however many hold a tag. Where ranks differ, those are ranked who may have more than the least
rank: they hold one of the rarer terms. The others follow in the order of the index.
"""

from __future__ import annotations

import msgspec

from ..queries import FindByTags
from . import rows
from .base import ALIAS, ALIAS_WEIGHT
from .sql import Statements

_PROBE = 1024  # holders of a tag after which it is not counted on

Hit = tuple[str, tuple[str, ...], int]  # owner, matched tags in order, members

_RANKED = f"""
WITH candidate (owner) AS (
    SELECT DISTINCT t.owner FROM json_each(?1) AS j CROSS JOIN tag AS t
    WHERE t.tag = j.value AND t.owner <> ?2
        AND (t.owner >= 'usr' OR t.owner >= 'grp' AND t.owner < 'grq')
), hit (owner, term, tag) AS (
    SELECT c.owner, j.value ->> 0, t.tag
    FROM candidate AS c CROSS JOIN json_each(?3) AS j CROSS JOIN tag AS t
    WHERE t.tag = j.value ->> 1 AND t.owner = c.owner
)
SELECT h.owner, json_group_array(DISTINCT h.tag), coalesce(m.members, 0) AS members
FROM hit AS h
LEFT JOIN account AS a ON a.id = h.owner
LEFT JOIN topic AS g ON g.name = h.owner
LEFT JOIN membership AS m ON m.topic = h.owner
WHERE coalesce(a.state, g.state) = 'ok' OR (?4 AND coalesce(a.state, g.state) <> 'del')
GROUP BY h.owner
HAVING count(DISTINCT CASE WHEN h.term >= 0 THEN h.term END) = ?5
ORDER BY count(DISTINCT h.tag) + {ALIAS_WEIGHT - 1} * count(
    DISTINCT CASE WHEN substr(h.tag, 1, {len(ALIAS)}) = '{ALIAS}' THEN h.tag END) DESC,
    members DESC, h.owner
LIMIT ?6"""

_HOLDERS = "SELECT 1 FROM tag WHERE tag IN (SELECT value FROM json_each(?)) LIMIT ?"
_GROUPS = """
SELECT t.owner, coalesce(m.members, 0) AS members
FROM tag AS t CROSS JOIN topic AS o ON o.name = t.owner
LEFT JOIN membership AS m ON m.topic = t.owner
WHERE t.tag = ? AND t.owner >= 'grp' AND t.owner < 'grq' {others}
ORDER BY members DESC, t.owner LIMIT ?"""
_USERS = """
SELECT t.owner, 0 FROM tag AS t CROSS JOIN account AS o ON o.id = t.owner
WHERE t.tag = ? AND t.owner >= 'usr' {others}
ORDER BY t.owner LIMIT ?"""
_ALSO = " AND EXISTS (SELECT 1 FROM tag AS x WHERE x.tag = ? AND x.owner = t.owner)"
_REST = " AND t.owner <> ? AND (o.state = 'ok' OR (? AND o.state <> 'del'))"


def hits(db: Statements, query: FindByTags) -> list[Hit]:
    """Who is found, best first, as `FindByTags` says."""
    if not query.required and not query.optional:
        return []
    required = _rarest_first(db, {tuple(sorted(set(either))) for either in query.required})
    optional = _rarest_first(db, {(tag,) for tag in query.optional})
    if any(len(either) != 1 for either in required):
        return _ranked(db, query, required[0])
    single = tuple(either[0] for either in required)
    if not optional:
        return _of_one_rank(db, query, single, query.limit)
    plain = tuple(tag for (tag,) in optional)
    if not single:  # whoever has not the most frequent one alone
        single, plain = plain[-1:], plain[:-1]
        if not plain:
            return _of_one_rank(db, query, single, query.limit)
    elif _holders(db, single[:1]) < _PROBE:
        return _ranked(db, query, single[:1])
    best = _ranked(db, query, plain)
    known = {owner for owner, *_ in best}
    rest = _of_one_rank(db, query, single, query.limit + len(best))
    found = [*best, *(hit for hit in rest if hit[0] not in known)]
    return sorted(found, key=_rank)[: query.limit]


def _rank(hit: Hit) -> tuple[int, int, str]:
    owner, tags, members = hit
    weight = sum(ALIAS_WEIGHT if tag.startswith(ALIAS) else 1 for tag in tags)
    return -weight, -members, owner


def _rarest_first(db: Statements, terms: set[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Terms by the number of their holders, as far as that is counted."""
    if len(terms) < 2:
        return list(terms)
    return sorted(terms, key=lambda either: (_holders(db, either), either))


def _holders(db: Statements, tags: tuple[str, ...]) -> int:
    return len(db.rows(_HOLDERS, (rows.encoded(tags), _PROBE)))


def _of_one_rank(db: Statements, query: FindByTags, tags: tuple[str, ...], limit: int) -> list[Hit]:
    """All who hold every tag; the first is the rarest."""
    others = _ALSO * (len(tags) - 1) + _REST
    matched = tuple(sorted(tags))
    found: list[Hit] = []
    for statement in (_GROUPS, _USERS):
        bounds = (query.exclude, int(query.any_state), limit - len(found))
        some = db.rows(statement.format(others=others), (*tags, *bounds))
        found += [(owner, matched, members) for owner, members in some]
    return found


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
