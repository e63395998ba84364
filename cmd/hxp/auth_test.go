package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A token without a name is a line in the audit log that nobody understands.
func TestATokenHasAName(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.json")
	t.Setenv("HXP_AUTH_TOKENS_FILE", file)
	for _, args := range [][]string{nil, {"--name", " "}, {"--name", "gateway"}} {
		root := rootCommand()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(append([]string{"auth", "token", "create", "--scope", "read"}, args...))
		err := root.Execute()
		_, none := os.Stat(file)
		switch named := len(args) > 1 && args[1] == "gateway"; {
		case named && (err != nil || none != nil):
			t.Errorf("%v: %v, %v", args, err, none)
		case !named && (codeOf(err) != 2 || !strings.Contains(err.Error(), "--name gateway") || none == nil):
			t.Errorf("%v: %v; the file: %v", args, err, none)
		}
	}
}

// A name that a shell was to fill in and did not is no name.
func TestAnEmptyNameIsNone(t *testing.T) {
	for _, args := range [][]string{{"responses", "approve", ""}, {"auth", "token", "revoke", ""}} {
		root := rootCommand()
		root.SetOut(new(bytes.Buffer))
		root.SetErr(new(bytes.Buffer))
		root.SetArgs(args)
		if err := root.Execute(); codeOf(err) != 2 || !strings.Contains(err.Error(), "give") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
