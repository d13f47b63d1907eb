// An example of a reranker: the score of a hit is halved for every so many days that its record is old.
//
// A plugin has no clock, so whoever asks says what day it is:
//   {"now": "2026-11-21", "half_life_days": 30}
// The operator may give defaults for both in the same form under `settings`. A record's day is `data.date`, or `metadata.date`;
// one without is taken to be as old as the oldest.

const DAY_MS = 24 * 60 * 60 * 1000;

// An error of the contract is thrown as the variant that it is; anything else that is thrown is a trap.
const refuse = (tag, val) => { throw { tag, val }; };

function readOptions(text, tag) {
  if (text === '') return {};
  let options;
  try {
    options = JSON.parse(text);
  } catch {
    refuse(tag, 'write it like {"now": "2026-11-21", "half_life_days": 30}');
  }
  if (typeof options !== 'object' || options === null || Array.isArray(options)) refuse(tag, 'it is a JSON object');
  for (const name of Object.keys(options)) {
    if (name !== 'now' && name !== 'half_life_days') refuse(tag, `there is no member \`${name}\``);
  }
  if ('now' in options && day(options.now) === null) refuse(tag, '`now` is a date like 2026-11-21');
  const { half_life_days: days } = options;
  if (days !== undefined && !(Number.isFinite(days) && days > 0)) refuse(tag, '`half_life_days` is a number above 0');
  return options;
}

function day(text) {
  const found = typeof text === 'string' && /^(\d{4})-(\d{2})-(\d{2})/.exec(text);
  if (!found) return null;
  const [, year, month, dayOfMonth] = found.map(Number);
  return Date.UTC(year, month - 1, dayOfMonth) / DAY_MS;
}

function dayOf(entry) {
  return day(JSON.parse(entry.data).date) ?? day(JSON.parse(entry.metadata).date);
}

export const ranking = {
  rerank({ settings, argument, candidates }) {
    const options = { half_life_days: 30, ...readOptions(settings, 'invalid-settings'), ...readOptions(argument, 'invalid-argument') };
    if (options.now === undefined) refuse('invalid-argument', 'say what day it is: {"now": "2026-11-21"}');
    const now = day(options.now);
    const ages = candidates.map(({ entry }) => dayOf(entry)).map((then) => (then === null ? null : Math.max(0, now - then)));
    const oldest = Math.max(0, ...ages.filter((age) => age !== null));
    const scores = candidates.map(({ score }, index) => score * 0.5 ** ((ages[index] ?? oldest) / options.half_life_days));
    return { tag: 'scores', val: new Float32Array(scores) };
  },
};
