package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var (
	commandBlocks = regexp.MustCompile("(?ms)^```(?:bash|sh)[^\n]*\n(.*?)^```")
	inSentences   = regexp.MustCompile("`((?:bin/)?hxp [^`\n]+)`")
	commandLine   = regexp.MustCompile(`^(?:[A-Z_]+=\S+ )*(?:\./)?(?:bin/)?(hxp|airflow) `)
)

// shellWords splits a line as a shell does, up to where the command ends. Choices of pages (NAME|NAME, [x]) end it too.
func shellWords(line string) (out []string) {
	word, quote, begun := "", rune(0), false
	flush := func() {
		if begun {
			out = append(out, word)
		}
		word, begun = "", false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ' || r == '\t':
			flush()
		case r == '[' && !begun:
			return out
		case strings.ContainsRune("|&;<>#", r) && (r != '#' || !begun):
			if r == '|' && begun && word != "" && !strings.HasSuffix(line, "|") { // one of several words
				return append(out, word)
			}
			flush()
			return out
		default:
			word, begun = word+string(r), true
		}
	}
	flush()
	return out
}

// TestCommandsOfTheDocsAreKnown holds every command that a page shows, in blocks and within sentences, to the commands and flags that there are.
func TestCommandsOfTheDocsAreKnown(t *testing.T) {
	n := 0
	check := func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, m := range commandBlocks.FindAllStringSubmatch(string(text), -1) {
			lines = append(lines, strings.Split(strings.ReplaceAll(m[1], "\\\n", " "), "\n")...)
		}
		for _, m := range inSentences.FindAllStringSubmatch(string(text), -1) {
			lines = append(lines, m[1])
		}
		for _, line := range lines {
			line = strings.TrimSpace(line)
			m := commandLine.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			n++
			root := rootCommand()
			if m[1] == "airflow" {
				root = airflowCommand()
			}
			args := shellWords(line[len(m[0]):])
			if n := len(args); n > 0 && args[n-1] == "…" && (n == 1 || !strings.HasPrefix(args[n-2], "--")) {
				args = args[:n-1] // and so on
			}
			if err := knownCommand(root, args); err != nil {
				t.Errorf("%s: %s: %v", path, line, err)
			}
		}
	}
	err := filepath.WalkDir("../../docs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".md" && d.Name() != "ROADMAP.md" { // that one tells of what is to come
			check(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	check("../../README.md")
	if n < 100 {
		t.Errorf("only %d commands are commandBlocks", n)
	}
}

// knownCommand tells what is wrong with a command that is not run.
func knownCommand(root *cobra.Command, args []string) error {
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && cmd.Args != nil {
		return cmd.Args(cmd, rest)
	}
	err = cmd.ParseFlags(rest)
	if err == pflag.ErrHelp {
		return nil
	}
	return err
}
