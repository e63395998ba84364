package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// tapProcess is a running `hxp tap`.
type tapProcess struct {
	cmd *exec.Cmd
	out io.Closer
	url string
}

var tapListens = regexp.MustCompile(`listens on ([^ ,]+),`)

// startTap starts this binary as a tap and waits until it listens.
func startTap(brokers string, upstream *url.URL, dir string) (*tapProcess, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "tap", "--listen", "127.0.0.1:0", "--upstream", upstream.String(), "--data-dir", filepath.Join(dir, "tap"))
	cmd.Env = append(os.Environ(), "KAFKA_BOOTSTRAP_SERVERS="+brokers)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &tapProcess{cmd: cmd, out: out}
	line, err := bufio.NewReader(out).ReadString('\n')
	listens := tapListens.FindStringSubmatch(line)
	if listens == nil {
		p.kill()
		return nil, fmt.Errorf("the tap did not start: %q, %w", line, err)
	}
	p.url = "http://" + listens[1]
	return p, nil
}

// stop lets the tap bring its events away, and tells the time that it worked.
func (p *tapProcess) stop() (cpu time.Duration, err error) {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return 0, err
	}
	if err := p.cmd.Wait(); err != nil {
		return 0, fmt.Errorf("the tap ended with %w", err)
	}
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(), nil
}

// kill ends it where stop was not reached.
func (p *tapProcess) kill() {
	if err := p.cmd.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		_ = p.cmd.Wait()
	}
}
