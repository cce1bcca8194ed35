// Package words reads the words that lie beside the program.
package words

import (
	"os"
	"path/filepath"
	"strings"
)

// Greeting is the greeting in a language.
func Greeting(language string) (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(program), "words", language))
	return strings.TrimSpace(string(text)), err
}
