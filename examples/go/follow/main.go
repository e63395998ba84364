// Follow prints what hxp tells, and goes on where it stopped when the line is cut. It takes a token from HXP_TOKEN. To try it:
// go run ./examples/go/follow http://127.0.0.1:9102 events,alerts
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	for last := ""; ; time.Sleep(time.Second) {
		if err := follow(os.Args[1]+"/stream?topics="+os.Args[2], &last); err != nil {
			fmt.Fprintln(os.Stderr, "trying again:", err)
		}
	}
}

// follow reads a stream behind *last until it is cut, and leaves there the id of the last message: it resumes all topics.
func follow(url string, last *string) error {
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Last-Event-ID", *last) // "" = from now on
	if token := os.Getenv("HXP_TOKEN"); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("hxp answers %s", resp.Status)
	}
	id, in := *last, bufio.NewScanner(resp.Body)
	for in.Buffer(nil, 4<<20); in.Scan(); {
		switch name, value, _ := strings.Cut(in.Text(), ": "); name {
		case "id":
			id = value
		case "data":
			var m struct { // hello, snapshot, update (a merge patch, RFC 7396), event, reset or error
				Type, Topic string
				Data        json.RawMessage
			}
			if err := json.Unmarshal([]byte(value), &m); err != nil {
				return err
			}
			fmt.Println(m.Type, m.Topic, string(m.Data))
			*last = id
		}
	}
	return in.Err()
}
