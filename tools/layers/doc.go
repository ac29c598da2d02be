// Package layers holds the test that keeps the layer rule of
// docs/architecture.md true. There is nothing to import.
package layers
