// Included by the addon's source, which uses nothing of it: it speaks Node-API alone, so node_api.h is all it needs.
