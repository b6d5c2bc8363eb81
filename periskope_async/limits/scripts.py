"""The shared budget's two Lua scripts, for Redis 6.2 and later and for Valkey (pure text).

The rule is the one of :mod:`periskope_async.limits.ledger`: **a token is back one window after it was surely counted.**
Each token stands in a sorted set. Its score is the moment by which the server has counted its request. A new token
takes the place of the ``limit``-th before it, and may go one window after that one was counted. It is given only when
that moment has passed, so it is given up to a window ahead. So any ``limit + 1`` requests in a row span more than a
window, and the time of a trip to Redis costs nothing.

An unsent token counts as sent at the end of its lease. A process dying with tokens out takes them with it for a lease
and a window, no longer.

Where no header tells of a limit, tokens are spaced by a rate learned from answers
(:mod:`periskope_async.limits.pace`). It has no steep decrease here: tokens given before a refusal may be refused after
it. While others use the key, tokens are spaced over a window, or over a second of a longer one: answers show that use
then, and it finds its place.

All moments are microseconds of Redis' own clock, which each script reads once. Both scripts may run twice: a token has
a number from its process, and news is only taken if it is newer. Only ``passed`` may be counted twice: a pace grows a
little more then, which is harmless.

The keys in Redis, all with one hash tag:

- ``tokens``, a sorted set: ``process:number`` by the moment of counting, and a ``mark`` that is always there.
- ``budget``, a hash: limit and window (with the moments of their answers), ``named`` (the longest length that the last
  answers named), ``closed_until``, ``probe_until``, the foreign use seen, a slack learned from refusals, ``pace``
  (requests a second), ``pace_refused`` (the last refused one), ``pace_at`` (the moment of its last decrease), ``next``
  (the first moment for the next token), ``is_used`` (whether the last tokens were spaced), ``at`` (the moment of the
  last script) and ``version`` (how many reservations there were).
- ``line``, a sorted set: the waiting processes, by the moment since when.
- ``seen``, a sorted set: the processes, by the moment of their last question.

Their contents may be of the past: Redis was flushed or restarted, or a lagging replica has taken over. A process tells
of it if it has seen a higher version. Or the tokens alone may be gone: their key was evicted or deleted. The budget
counts as spent for one window then.
"""

from __future__ import annotations

from periskope_async.limits.pace import (
    BEYOND,
    DECREASE,
    GROWTH,
    LEAST_RATE,
    MOST_REGROWTH,
    NEAR,
    NEAR_GROWTH,
    REGROWTH,
)
from periskope_async.limits.rate import ASSUMED

__all__ = ["KEYS", "RESERVE", "SETTLE"]

KEYS = ("tokens", "budget", "line", "seen")

# The beginning of both scripts.
_BEGIN = """
local tokens, budget, line, seen = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function field(name) return tonumber(redis.call('HGET', budget, name)) end

-- What is left of an estimate that fades by a share with each window.
local function faded(name, share, window)
  local value = field(name)
  if not value then return 0 end
  return value * share ^ math.floor(math.max(0, now - field(name .. '_at')) / window)
end

-- The longest that a token may stay unsent.
local function lease(window) return math.min(window, 5000000) end

local function close_for(seconds)
  redis.call('HSET', budget, 'closed_until', math.max(field('closed_until') or 0, now + seconds))
end

local function keep(window)
  redis.call('HSET', budget, 'at', now)
  redis.call('ZADD', tokens, 0, 'mark')
  local milliseconds = math.ceil(math.max(3600000, 4 * window / 1000))
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, milliseconds) end
end

-- Where the clock was set back, or is that of another machine, all moments that stand here are ahead.
local back = (field('at') or 0) - now
-- The mark stays when all tokens are back. Without it, the set was evicted or deleted.
local is_forgotten = back > 1000000 or (field('at') and redis.call('ZCARD', tokens) == 0)
if back > 1000000 then
  for _, key in ipairs({tokens, line, seen}) do redis.call('ZREMRANGEBYSCORE', key, '-inf', '+inf') end
  for _, name in ipairs({'limit_at', 'length_at', 'foreign_at', 'slack_at', 'probe_until', 'closed_until', 'pace_at',
                         'next'}) do
    local moment = field(name)
    if moment then redis.call('HSET', budget, name, moment - back) end
  end
end
"""

RESERVE = f"""{_BEGIN}
-- Gives tokens to a process: as many as wait there, and as are free, and not more than its share while others wait.
local process, first, wanted, share = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local believed_limit, believed_window, why = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local version_seen, version = tonumber(ARGV[8]), field('version') or 0

local limit, window, pace = field('limit'), field('window') or believed_window, field('pace')
local again = math.floor(math.min(math.max(window / 8, 10000), 250000))
if why == 'rejoins' or why == 'returns' or version_seen > version or is_forgotten then
  -- What was spent without Redis, or was forgotten by it, is back when a window has passed.
  close_for(window)
end
version = math.max(version, version_seen) + 1
redis.call('HSET', budget, 'version', version)
if not limit and why ~= 'asks' and why ~= 'returns' then
  limit = believed_limit
  redis.call('HSET', budget, 'limit', limit, 'window', window)
end
local is_known, most = limit and 1 or 0, wanted
if not limit and not pace then
  -- One request goes ahead as a probe. The others wait a fifth of a second for its answer.
  local probe_until = field('probe_until')
  if wanted > 0 and not probe_until then
    redis.call('HSET', budget, 'probe_until', now + 200000)
    most = 1
  elseif probe_until and now < probe_until then
    most, again = 0, 20000
  end
end
limit = limit or believed_limit

-- Who waits, and who has not asked for so long that it does no more.
for _, gone in ipairs(redis.call('ZRANGE', seen, '-inf', now - 1500000, 'BYSCORE')) do
  redis.call('ZREM', line, gone)
end
redis.call('ZREMRANGEBYSCORE', seen, '-inf', now - 60000000)
redis.call('ZADD', seen, now, process)
redis.call('ZREMRANGEBYSCORE', tokens, '-inf', now - 2 * window - lease(window))
if wanted > 0 then
  redis.call('ZADD', line, 'NX', now, process)
end

local foreign = math.ceil(faded('foreign', 0.91, window) - 0.3)
local allowed = math.max(1, math.min(math.floor(limit * share), limit - foreign))
if pace and not field('limit_at') then
  -- Nothing but the pace is known.
  allowed = 1000000000
end
-- Between two tokens.
local gap = pace and 1000000 / pace or foreign > 0 and math.min(window, 1000000) / allowed or 0
local slack = faded('slack', 0.98, window)
local next = gap > 0 and math.max(now, field('next') or 0) or now
if next > now + window + slack + gap then
  -- The pace has grown since, or the clock was set back, and an older version of this script has not seen to it.
  next = now + window + slack + gap
  redis.call('HSET', budget, 'next', next)
end
local is_ahead = next > now
local closed_until = field('closed_until') or 0
local mine = 0
if closed_until > now then
  again = math.min(closed_until - now, 500000)
elseif most > 0 then
  local uncounted = redis.call('ZCOUNT', tokens, '(' .. string.format('%.0f', now), '+inf')
  local free = allowed - uncounted
  local room, all = free, allowed
  if gap > 0 then
    -- No token is given for long ahead: a refusal changes all.
    room = math.min(free, math.ceil((now + 250000 - next) / gap))
    all = math.min(allowed, 250000 / gap)
  end
  local waiting, ahead = redis.call('ZCARD', line), redis.call('ZRANK', line, process)
  local a_share = math.max(1, math.floor(all / waiting))
  mine = math.min(most, a_share, room - ahead * a_share)
  if gap > 0 then
    -- It asks again when its turn comes. If it asks later, those near to Redis go first.
    local before_it = mine > 0 and mine + (waiting - 1) * a_share or ahead * a_share
    again = math.floor(math.min(math.max(next + before_it * gap - now - 160000, 20000), 500000))
  elseif mine < math.min(most, free) then
    -- The rest is for those who are ahead, if they come for it.
    again = math.floor(math.max(window / 32, 10000))
  end
  if free <= 0 then
    -- No place opens before the request that has it may be sent.
    local place = redis.call('ZRANGE', tokens, -allowed, -allowed, 'WITHSCORES')
    again = math.floor(math.max(again, math.min(place[2] - lease(window) - now, window / 2, 500000)))
  end
end

local reply = {{now, limit, window, is_known, closed_until, redis.call('ZCARD', seen), foreign, again, version,
                pace and math.ceil(pace * 1000) or 0, allowed, 0}}
local head = #reply
local out = redis.call('ZCARD', tokens)
local given = 0
for number = first, first + wanted - 1 do
  local token = process .. ':' .. string.format('%.0f', number)
  local start = now
  local before = redis.call('ZSCORE', tokens, token)
  if before then
    -- The answer was lost on its way. It is the same again.
    start = before - lease(window)
  elseif given < mine then
    if out >= allowed then
      local replaced = redis.call('ZRANGE', tokens, out - allowed, out - allowed, 'WITHSCORES')
      start = math.max(now, replaced[2] + window + slack)
    end
    if gap > 0 then
      if next >= now + 250000 then break end
      start = math.max(start, next)
      next = start + gap
    end
    redis.call('ZADD', tokens, start + lease(window), token)
    out, given = out + 1, given + 1
  else
    break
  end
  reply[#reply + 1] = math.ceil(start)
end
if given > 0 and gap > 0 then
  -- A rate that is not used does not grow.
  redis.call('HSET', budget, 'next', next, 'is_used', (is_ahead or given > 1) and 1 or 0)
end
-- What is free still.
reply[head] = allowed - redis.call('ZCOUNT', tokens, '(' .. string.format('%.0f', now - window - slack), '+inf')
if #reply - head == wanted then
  redis.call('ZREM', line, process)
elseif given > 0 then
  -- To the end of the line, so that the others come next.
  redis.call('ZADD', line, now, process)
end
keep(window)
return reply
"""

SETTLE = f"""{_BEGIN}
-- Takes what a process has heard: when its requests were counted, and what the answers' headers say of the limit.
-- A process that has not noticed yet that the clock was set back tells of moments to come.
local function moment(text) return math.min(tonumber(text), now) end
local limit, limit_at = tonumber(ARGV[1]), moment(ARGV[2])
local shortest, longest, length_at = tonumber(ARGV[3]), tonumber(ARGV[4]), moment(ARGV[5])
local at_least, closed_for = tonumber(ARGV[6]), tonumber(ARGV[7])
local used, used_at, refused_at = tonumber(ARGV[8]), moment(ARGV[9]), moment(ARGV[10])
local window = field('window') or tonumber(ARGV[11])
local passed, slowed_at, closing, second = tonumber(ARGV[12]), moment(ARGV[13]), ARGV[14], tonumber(ARGV[15])

if closing ~= '' then
  -- The process that tells wants no more.
  redis.call('ZREM', line, closing)
  redis.call('ZREM', seen, closing)
end
for place = 16, #ARGV, 2 do
  if ARGV[place + 1] == '0' then
    redis.call('ZREM', tokens, ARGV[place])
  else
    redis.call('ZADD', tokens, 'XX', math.min(tonumber(ARGV[place + 1]), now + lease(window)), ARGV[place])
  end
end

if limit > 0 and not field('limit_at') then
  -- Headers tell all. An empty text is no number, and a user of Redis may have no right to delete.
  redis.call('HSET', budget, 'pace', '', 'pace_refused', '', 'next', '')
end
local pace = field('pace')
if not pace and slowed_at > 0 and field('limit') then
  -- There is a limit without headers, below what was sent in a second.
  pace = math.max(1, redis.call('ZCOUNT', tokens, slowed_at - 1000000, now))
elseif not pace and not field('limit') and limit == 0 and (slowed_at > 0 or passed > 0) then
  pace = {ASSUMED.limit / ASSUMED.window}
  redis.call('HSET', budget, 'next', now + 1000000 / pace)
end
if pace then
  local refused, changed_at = field('pace_refused'), field('pace_at') or 0
  -- A moment to come is from before the clock was set back.
  if slowed_at > 0 and (slowed_at > changed_at or changed_at > now) then
    -- A refusal of a request sent before the last decrease is part of it.
    refused, pace = pace, math.max(pace * {DECREASE}, {LEAST_RATE})
    -- Tokens given before the refusal may still go.
    local behind = math.max(field('next') or 0, now + 1000000 / pace)
    redis.call('HSET', budget, 'pace_refused', refused, 'pace_at', now, 'next', behind)
  elseif field('is_used') == 1 then
    local regrowth = pace < {NEAR} * (refused or 0) and math.min({REGROWTH}, {MOST_REGROWTH} * pace) or {NEAR_GROWTH}
    pace = pace + passed * (refused and regrowth or {GROWTH})
    if refused and pace > {BEYOND} * refused then redis.call('HSET', budget, 'pace_refused', '') end
  end
  redis.call('HSET', budget, 'pace', pace)
end

if limit > 0 and limit_at >= (field('limit_at') or 0) then
  redis.call('HSET', budget, 'limit', limit, 'limit_at', limit_at)
end

-- One answer may be odd, and would hold all up for as long as it says. So another one must agree to a window that is
-- longer by more than five seconds: of the same trip, or of the last. The very first answer is believed.
if at_least > 0 then
  local named = field('named') or at_least
  redis.call('HSET', budget, 'named', at_least)
  second = math.max(second, math.min(named, at_least))
  at_least = math.max(named, at_least)
  if at_least > second + 5000000 then at_least = second end
end

-- Each window's first answer names the shortest and the longest length that its headers may mean. What agrees with the
-- answers before narrows them. A shorter window is believed when three such answers in a row have named it.
if longest > 0 and shortest <= math.max(window, at_least) and length_at > (field('length_at') or 0) then
  local low, times = field('shortest'), 0
  if not low and shortest <= window and window <= longest then
    -- The assumption may be true. It is kept until an answer speaks against it.
    low = shortest
  elseif not low or shortest > window then
    low, window = shortest, longest
  elseif longest >= low then
    low, window = math.max(low, shortest), math.min(window, longest)
  else
    times = (field('times') or 0) + 1
    if times == 3 then
      low, window, times = shortest, longest, 0
    end
  end
  redis.call('HSET', budget, 'length_at', length_at, 'shortest', low, 'times', times)
end
window = math.max(window, at_least)
redis.call('HSET', budget, 'window', window)

if is_forgotten then
  close_for(window)
end
if closed_for > 0 then
  close_for(closed_for)
end

-- What the server counts beyond the tokens that were sent before, others have spent.
local beyond = 0
if used > 0 then
  beyond = used - redis.call('ZCOUNT', tokens, used_at - window, now + lease(window))
  if beyond > 0 then
    redis.call('HSET', budget, 'foreign', math.max(beyond, faded('foreign', 0.91, window)), 'foreign_at', now)
  end
end
if refused_at > (field('slack_at') or 0) and beyond <= 0 then
  -- Nobody else was there, so two windows' requests came closer together than they were sent.
  local slack = math.min(window, math.max(window / 50, 2 * faded('slack', 0.98, window)))
  redis.call('HSET', budget, 'slack', slack, 'slack_at', now)
end
keep(window)
return {{now, field('limit') or 0, window, field('limit') and 1 or 0, field('closed_until') or 0}}
"""
