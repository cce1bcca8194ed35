// Tells who asks, and who is asked.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
)

func whoami(answer http.ResponseWriter, request *http.Request) {
	hostname, _ := os.Hostname()
	fmt.Fprintln(answer, "Hostname:", hostname)
	addresses, _ := net.InterfaceAddrs()
	for _, address := range addresses {
		fmt.Fprintln(answer, "IP:", address)
	}
	fmt.Fprintln(answer, "Platform:", runtime.GOOS+"/"+runtime.GOARCH)
	fmt.Fprintln(answer, "RemoteAddr:", request.RemoteAddr)
	if err := request.Write(answer); err != nil {
		log.Println(err)
	}
}

func main() {
	port := flag.String("port", "80", "where to listen")
	flag.Parse()
	http.HandleFunc("/", whoami)
	http.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})
	listener, err := net.Listen("tcp", ":"+*port)
	if err != nil {
		log.Fatal(err)
	}
	log.Println("listening on", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
