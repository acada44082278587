// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bytes"
	"os"
	"testing"
)

// The archive's bytes were checked once by a kernel's taking them; the golden
// file keeps them.
func TestInitramfs(t *testing.T) {
	var b bytes.Buffer
	err := initramfs(&b, map[string][]byte{"/init": []byte("#!/x\n"), "/etc/a/b": []byte("1234"), "/etc/c": nil})
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/initramfs.cpio")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("got %q, want %q", b.Bytes(), want)
	}
}
