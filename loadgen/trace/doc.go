// Package trace reads, writes and takes apart recorded watches: what one or more
// resources of a cluster were told, event by event, with the times.
//
//	kubectl get … -w ─▶ FromKubectl ─┐                ┌─▶ Describe: rates, skew, sizes, …
//	                                 ├─▶ file ─▶ Reader ─▶ Fit: a synthetic twin
//	a recorder ─▶ Writer ────────────┘                ├─▶ Cut ─▶ Writer ─▶ file
//	                                                  └─▶ a replay
//
// It promises:
//
//   - Everything streams. A Reader remembers which keys exist and nothing of
//     what has been, so a trace of any length is read in the same memory.
//   - What a Reader hands out can be replayed as it comes: each record has been
//     checked by itself and against the ones before.
//   - Whatever is wrong is told in one line with file, line, column, what was
//     found and what was expected: an *Error.
//   - The same input gives the same output byte for byte, but for the times
//     that FromKubectl takes from a clock.
//
// # The format
//
// A trace is text, one JSON object a line, plain or compressed by gzip or zstd
// as a whole; a reader tells which by the first bytes. The first line says what
// it is:
//
//	{"trace":"informerlab","version":1,"objects":false}
//
// objects tells whether the records carry the objects themselves. A file
// without that line is read as version 0, which is the same but that its first
// record tells whether there are objects. Each further line is a record:
//
//	{"t":67867954658,"resource":"pods","type":"ADDED","key":"default/a","uid":"1bd7","rv":"4743","gen":1,"size":4364}
//	{"t":67882797124,"resource":"pods","type":"MODIFIED","object":{"kind":"Pod","metadata":{…},…}}
//
//	t         nanoseconds since the recording began, from 0; never falls from line to line
//	resource  whose watch it was, as in the API: "pods"
//	type      ADDED, MODIFIED, DELETED or BOOKMARK
//	initial   true for the objects of the initial list, which are ADDED, and for the BOOKMARK that
//	          ends it; absent or false elsewhere
//	key       namespace/name, or name of what has no namespace; bookmarks have none
//	uid       of the object, may be absent
//	rv        resource version: a positive whole number in quotes, as the API has it
//	gen       metadata.generation, may be absent
//	size      bytes of the object's JSON, may be absent
//	object    the object, in a trace with objects; a bookmark may do without
//
// The order of fields is free, unknown fields are skipped, and of a field that
// comes twice the last one counts. Beside an object, key, uid, rv, gen and size
// may be absent: they are then those of the object's metadata, and its length.
// Where they are given they win, so that a tool can move a record to another
// version without rewriting the object.
//
// Of each resource the initial list comes first, which may be empty, and ends
// with its bookmark, whose version is no older than any object's in the list.
// After it versions rise from event to event; a bookmark may repeat the last
// one. ADDED is only of keys that do not exist, MODIFIED and DELETED only of
// keys that do. Resources may be mixed in any way.
//
// Limits: a line has at most 16 MiB. A zstd stream with a window of more than
// 32 MiB is refused, so that reading it stays within the memory of a reader.
// Streams that ended and began again are no part of a trace: whoever records
// one reopens them at the last version, and nothing shows.
package trace
