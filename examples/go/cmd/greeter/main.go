// Greeter greets who is named.
package main

import (
	"fmt"
	"os"
	"runtime"

	"example.com/greeter/words"
)

var version = "unknown"

func main() {
	greeting, err := words.Greeting("en")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(greeting, os.Args[1:], version, runtime.GOOS+"/"+runtime.GOARCH)
}
