// Which turns are shown: versions of a turn follow the same turn, and one of them is on the way.

/** What a turn's metadata says that it follows, where it is the first. */
export const FIRST = "first";

/** Returns the turns from the first to the last, each with the ids of its `versions`, of which it is one. */
export function shownTurns(turns, chosen) {
  const following = new Map();
  for (const [turn, before] of befores(turns)) following.set(before, [...(following.get(before) ?? []), turn]);
  // The newest answer is shown after a load, and the way to it.
  const newest = (turn) => Math.max(turn.number, ...(following.get(turn.id) ?? []).map(newest));
  const shown = [];
  for (let next = following.get(null); next; next = following.get(shown.at(-1).id)) {
    const versions = next.map((turn) => turn.id);
    const picked = versions.length === 1 ? next[0] : next.find((turn) => chosen.has(turn.id))
      ?? next.reduce((best, turn) => (newest(turn) > newest(best) ? turn : best));
    shown.push({ ...picked, versions });
  }
  return shown;
}

/** Returns of each turn the id of the one that it follows, or null: as it says, else the one that began before it. */
function befores(turns) {
  const ids = new Set(turns.map((turn) => turn.id));
  return turns.map((turn, at) => {
    const said = [turn.metadata?.follows, turn.previous].find((id) => id === FIRST || ids.has(id));
    return [turn, said === FIRST ? null : said ?? turns[at - 1]?.id ?? null];
  });
}
