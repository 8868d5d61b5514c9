// Package population decides which object an event is about, what happens to
// it and how large it is.
//
//	             ┌ grow ───▶ a number never seen ──────▶ ADDED
//	one draw ────┼ shrink ─▶ a present key, for good ──▶ DELETED
//	of the kind  ├ churn ──▶ a present key ────────────▶ DELETED ┐ may come
//	             ├ churn ──▶ an absent key ────────────▶ ADDED  ◀┘ back
//	             └ rest ───▶ a present key, by Pick ───▶ MODIFIED
//
// It promises:
//
//   - Life cycles are legal: only absent keys are added, only present ones are
//     modified or deleted.
//   - The same options and seed give the same events, in any build and on any
//     number of processors (those of another kind may round exponentials in
//     another way, which can show in one draw of a great many). Nothing here
//     runs by itself or looks at a clock.
//   - Popularity follows its law exactly for whatever number of keys is
//     present, not for the number at the start.
//   - Drawing allocates nothing but room for more keys than there have been.
//
// Limits: events are independent of one another. A key is not struck twice in a
// row more often than its popularity says (recent makes that popularity), and
// neither kinds nor sizes depend on the key.
package population
