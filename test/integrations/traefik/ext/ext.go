// Package ext stands in for the module of this name, which no proxy serves: members that an edition of Traefik may add, here none.
package ext

// HTTP is embedded in Traefik's http section.
type HTTP struct{}

// Router is embedded in Traefik's http.routers.
type Router struct{}
