/** What layers of a container image make of a folder, without a file system. Source: OCI image specification 1.1, "Applying Changesets" and "Whiteouts". Pure. */
import { invalidEntry } from "./archive-entry.ts";

/** Where a file's bytes lie in the spool. */
export interface Content {
  readonly offset: number;
  readonly bytes: number;
  readonly crc32: number;
}

/** One member of a layer; `path` is relative, its parts joined by "/". */
export type LayerEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly content: Content }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  /** The same file as another that is there by then. */
  | { readonly kind: "hardLink"; readonly path: string; readonly target: string }
  /** What no package can hold; `what` as in "a fifo". */
  | { readonly kind: "other"; readonly path: string; readonly what: string };

export interface Layer {
  readonly entries: readonly LayerEntry[];
  /** Paths of lower layers that are gone. */
  readonly hidden: readonly string[];
  /** Directories whose content of lower layers is gone. */
  readonly opaque: readonly string[];
}

export type TreeNode =
  | Directory
  | { readonly kind: "file"; readonly mode: number; readonly content: Content }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "other"; readonly what: string };
interface Directory {
  readonly kind: "directory";
  readonly children: Map<string, TreeNode>;
  mode: number;
}

/** As the kernel has it. */
const mostLinks = 40;
const impliedMode = 0o755;

export class LayerTree {
  readonly #root: Directory = newDirectory(impliedMode);

  /** First what it hides of the layers before it, wherever in the archive that is said; then what it adds, in order. Throws PackageError. */
  apply({ entries, hidden, opaque }: Layer): void {
    for (const path of opaque) {
      const node = this.#find(path);
      if (node?.kind === "directory") node.children.clear();
    }
    for (const path of hidden) this.#hide(path);
    for (const entry of entries) this.#add(entry);
  }

  /** What lies at and beneath a directory: paths within it, parents before children, in the order of their characters. Undefined when there is none. */
  list(path: string): readonly (readonly [path: string, node: TreeNode])[] | undefined {
    const root = this.#find(path);
    if (root?.kind !== "directory") return undefined;
    const found: (readonly [string, TreeNode])[] = [];
    // A stack of its own: names nest thousands deep.
    const left: (readonly [string, TreeNode])[] = childrenOf("", root);
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      found.push(next);
      const [name, node] = next;
      if (node.kind === "directory") left.push(...childrenOf(`${name}/`, node));
    }
    return found.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #hide(path: string): void {
    const { parent, name } = split(path);
    const directory = this.#find(parent);
    if (directory?.kind === "directory") directory.children.delete(name);
  }

  #add(entry: LayerEntry): void {
    const { path } = entry;
    if (path === "") return;
    const { parent, name } = split(path);
    const { children } = this.#directoryFor(parent, path);
    const present = children.get(name);
    if (entry.kind === "directory" && present?.kind === "directory") present.mode = entry.mode;
    else children.set(name, this.#toNode(entry));
  }

  #toNode(entry: LayerEntry): TreeNode {
    switch (entry.kind) {
      case "directory":
        return newDirectory(entry.mode);
      case "hardLink":
        return this.#linked(entry);
      case "file":
        return { kind: "file", mode: entry.mode, content: entry.content };
      case "link":
        return { kind: "link", target: entry.target };
      case "other":
        return { kind: "other", what: entry.what };
    }
  }

  #linked({ path, target }: { readonly path: string; readonly target: string }): TreeNode {
    const { parent, name } = split(target);
    const directory = this.#find(parent);
    const node = directory?.kind === "directory" ? directory.children.get(name) : undefined;
    if (node !== undefined && node.kind !== "directory") return node;
    const why = node === undefined ? "which is not there" : "which is a directory";
    throw invalidEntry(path, `it is a hard link to ${JSON.stringify(target.slice(0, 200))}, ${why}`);
  }

  /** Made where it is missing; symbolic links on the way are followed, within the tree. */
  #directoryFor(path: string, entry: string): Directory {
    const walked = this.#walk(path, true);
    if (walked?.kind === "directory") return walked;
    throw invalidEntry(entry, "it lies beneath something that is no directory");
  }

  #find(path: string): TreeNode | undefined {
    return this.#walk(path, false);
  }

  #walk(path: string, isMade: boolean): TreeNode | undefined {
    const left = partsOf(path).reverse();
    let trail: Directory[] = [this.#root];
    let links = 0;
    for (let part = left.pop(); part !== undefined; part = left.pop()) {
      const here = trail.at(-1) ?? this.#root;
      if (part === "..") {
        if (trail.length > 1) trail.pop();
        continue;
      }
      let node = here.children.get(part);
      if (node === undefined && isMade) here.children.set(part, (node = newDirectory(impliedMode)));
      if (node === undefined) return undefined;
      if (node.kind === "directory") trail.push(node);
      else if (node.kind === "link") {
        if (++links > mostLinks) return undefined;
        if (node.target.startsWith("/")) trail = [this.#root];
        left.push(...partsOf(node.target).reverse());
      } else return left.length === 0 ? node : undefined;
    }
    return trail.at(-1);
  }
}

function newDirectory(mode: number): Directory {
  return { kind: "directory", children: new Map(), mode };
}

function childrenOf(prefix: string, { children }: Directory): (readonly [string, TreeNode])[] {
  return [...children].map(([name, node]) => [`${prefix}${name}`, node] as const);
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

function split(path: string): { readonly parent: string; readonly name: string } {
  const slash = path.lastIndexOf("/");
  return { parent: path.slice(0, Math.max(slash, 0)), name: path.slice(slash + 1) };
}
