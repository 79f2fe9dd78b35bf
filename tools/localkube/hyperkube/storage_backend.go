package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	driverName      = "storage.localkube"
	mediumParameter = "medium"
	mediumLoop      = "loop"
	imageSuffix     = ".ext4"
)

// backend keeps each volume as a folder, or as an ext4 image of the requested size.
type backend struct {
	root string
}

// create makes the volume's data; calling it again for the same handle changes nothing.
func (b *backend) create(handle, medium string, bytes int64) error {
	path := filepath.Join(b.root, handle)
	switch medium {
	case "":
		if err := os.MkdirAll(path, 0o777); err != nil {
			return err
		}
		return os.Chmod(path, 0o777)
	case mediumLoop:
		return createImage(path+imageSuffix, bytes)
	}
	return fmt.Errorf("unknown %s %q: use %q or leave it out", mediumParameter, medium, mediumLoop)
}

func createImage(path string, bytes int64) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	draft := path + ".draft"
	if err := os.WriteFile(draft, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(draft, bytes); err != nil {
		return err
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", "-m", "0", draft).CombinedOutput(); err != nil {
		return fmt.Errorf("mkfs.ext4: %w: %s", err, out)
	}
	return os.Rename(draft, path)
}

func (b *backend) remove(handle string) error {
	path := filepath.Join(b.root, filepath.Base(handle))
	if err := os.RemoveAll(path + imageSuffix); err != nil {
		return err
	}
	return os.RemoveAll(path)
}
