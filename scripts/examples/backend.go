// A backend that sends a durable event. It retries with the same idempotency key, so the event is stored once.
//
//	GATEWAY_KEY=<one of EMIT_API_KEYS> go run scripts/examples/backend.go <user id> [url of the gateway]
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Answer of the gateway. Data is present when the call succeeded.
type Answer struct {
	Success      bool   `json:"success"`
	Message      string `json:"message"`
	RetryAfterMs int    `json:"retryAfterMs"`
	Data         struct {
		ID    string `json:"id"`
		State string `json:"state"`
	} `json:"data"`
}

var client = &http.Client{Timeout: 10 * time.Second}

// post makes one attempt. The status is 0 when there is no answer.
func post(address, key string, body []byte) (int, Answer) {
	var answer Answer
	request, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 400, Answer{Message: err.Error()}
	}
	request.Header.Set("content-type", "application/json")
	request.Header.Set("idempotency-key", key)
	if secret := os.Getenv("GATEWAY_KEY"); secret != "" {
		request.Header.Set("x-api-key", secret)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, Answer{Message: err.Error()}
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		answer.Message = err.Error()
	}
	return response.StatusCode, answer
}

// emit returns the answer, or an error when the call was refused or failed after all retries.
func emit(base, user, key string, payload any) (Answer, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return Answer{}, err
	}
	address := base + fmt.Sprintf("/emit/%s/notification?durable=true&ttl=86400", url.PathEscape(user))
	var answer Answer
	for _, pause := range []time.Duration{0, 200, 400, 800} {
		time.Sleep(max(pause, time.Duration(answer.RetryAfterMs)) * time.Millisecond)
		var status int
		status, answer = post(address, key, body)
		if status == http.StatusOK {
			return answer, nil
		}
		if status != 0 && status != http.StatusTooManyRequests && status < 500 {
			break
		}
	}
	return answer, fmt.Errorf("%s: %s", base, answer.Message)
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "the id of a user is needed")
		os.Exit(2)
	}
	base := "http://localhost:4000"
	if len(os.Args) > 2 {
		base = os.Args[2]
	}
	// Where the event has an id of its own, such as that of the lead, derive the key from it.
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		panic(err)
	}
	lead := map[string]string{"title": "New Lead", "message": "You have a new lead!"}
	answer, err := emit(base, os.Args[1], fmt.Sprintf("%x", random), lead)
	if err != nil {
		fmt.Fprintln(os.Stderr, "not sent:", err)
		os.Exit(1)
	}
	fmt.Printf("stored as %s, %s\n", answer.Data.ID, answer.Data.State)
}
