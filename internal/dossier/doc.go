// SPDX-License-Identifier: Apache-2.0

// Package dossier puts together what `oomtrace explain` tells: the incidents of a
// timeline, which of them are explained, the answer to a question about one process, what
// the machine counted, and what is not known.
package dossier
