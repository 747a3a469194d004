/** Programs that people make packages with, each run on a folder. */
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface ZipTool {
  /** Zips all that is in `folder` to `zip`; `scratch` is a folder for what else it needs. */
  readonly make: (paths: ZipPaths) => Promise<void>;
  /** What of a tree comes back: a tool without links follows them. */
  readonly keeps: { readonly modes: boolean; readonly links: boolean };
}

export interface ZipPaths {
  readonly folder: string;
  readonly zip: string;
  readonly scratch: string;
}

const all = { modes: true, links: true };
const noLinks = { modes: true, links: false };
const nothing = { modes: false, links: false };

/** Runs a program to its end; throws with what it said when it fails. */
export async function runTool(program: string, args: readonly string[], directory: string): Promise<void> {
  const child = spawn(program, args, { cwd: directory, stdio: ["ignore", "pipe", "pipe"], timeout: 120_000 });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}: ${said.slice(-2000)}`);
}

const python =
  (script: string): ZipTool["make"] =>
  async ({ folder, zip }) =>
    await runTool("python3", ["-c", script, folder, zip], folder);

const walk =
  "import os,sys,zipfile\nroot,target=sys.argv[1:]\npaths=[os.path.relpath(os.path.join(d,n),root) for d,ds,fs in os.walk(root) for n in ds+fs]\n";

/** Stands for the tools of Windows: .NET before 4.6.1 and Compress-Archive wrote backslashes, none of them modes. */
const windows = (separator: string): string => `${walk}
with zipfile.ZipFile(target,"w",zipfile.ZIP_DEFLATED) as z:
    for p in paths:
        isdir=os.path.isdir(os.path.join(root,p))
        i=zipfile.ZipInfo("x",(2024,1,1,0,0,0))
        i.filename=(p+("/" if isdir else "")).replace("/",${JSON.stringify(separator)})
        i.create_system=0
        i.external_attr=0x10 if isdir else 0x20
        i.compress_type=zipfile.ZIP_DEFLATED
        z.writestr(i,b"" if isdir else open(os.path.join(root,p),"rb").read())
`;

const goProgram = `package main

import (
	"archive/zip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

func main() {
	file, err := os.Create(os.Args[2])
	check(err)
	writer := zip.NewWriter(file)
	check(filepath.WalkDir(os.Args[1], func(path string, entry fs.DirEntry, err error) error {
		check(err)
		name, err := filepath.Rel(os.Args[1], path)
		check(err)
		if name == "." {
			return nil
		}
		info, err := entry.Info()
		check(err)
		header, err := zip.FileInfoHeader(info)
		check(err)
		header.Name = name
		if entry.IsDir() {
			header.Name += "/"
		} else {
			header.Method = zip.Deflate
		}
		part, err := writer.CreateHeader(header)
		check(err)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			check(err)
			_, err = part.Write([]byte(target))
			check(err)
		case !entry.IsDir():
			content, err := os.Open(path)
			check(err)
			_, err = io.Copy(part, content)
			check(err)
			check(content.Close())
		}
		return nil
	}))
	check(writer.Close())
	check(file.Close())
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
`;

export const zipTools: Readonly<Record<string, ZipTool>> = {
  "zip -r --symlinks": {
    make: ({ folder, zip }) => runTool("zip", ["-q", "-r", "--symlinks", zip, "."], folder),
    keeps: all,
  },
  "zip to a pipe, every size behind its data": {
    make: ({ folder, zip }) => runTool("sh", ["-c", `zip -q -r - . > "$0"`, zip], folder),
    keeps: noLinks,
  },
  "zip --force-zip64": {
    make: ({ folder, zip }) => runTool("zip", ["-q", "-r", "--force-zip64", zip, "."], folder),
    keeps: noLinks,
  },
  "zip --compression-method=store": {
    make: ({ folder, zip }) => runTool("zip", ["-q", "-r", "-0", zip, "."], folder),
    keeps: noLinks,
  },
  "Python's shutil.make_archive": {
    make: python(`import shutil,sys\nshutil.make_archive(sys.argv[2][:-4],"zip",sys.argv[1])`),
    keeps: noLinks,
  },
  "Python's zipfile with all in the 64-bit form": {
    make: python(`${walk}
with zipfile.ZipFile(target,"w",zipfile.ZIP_DEFLATED) as z:
    for p in paths:
        full=os.path.join(root,p)
        if os.path.isdir(full): z.write(full,p); continue
        i=zipfile.ZipInfo.from_file(full,p); i.compress_type=zipfile.ZIP_DEFLATED
        with z.open(i,"w",force_zip64=True) as o: o.write(open(full,"rb").read())
`),
    keeps: noLinks,
  },
  "bsdtar --format zip": {
    make: ({ folder, zip }) => runTool("bsdtar", ["-c", "--format", "zip", "-f", zip, "."], folder),
    keeps: all,
  },
  "7z a -tzip": {
    make: ({ folder, zip }) => runTool("7z", ["a", "-tzip", "-bd", zip, "."], folder),
    keeps: noLinks,
  },
  "jar --create": {
    make: ({ folder, zip }) => runTool("jar", ["--create", "--no-manifest", "--file", zip, "-C", folder, "."], folder),
    keeps: nothing,
  },
  "Go's archive/zip": {
    async make({ folder, zip, scratch }) {
      const program = join(scratch, "main.go");
      await writeFile(program, goProgram);
      await runTool("go", ["run", program, folder, zip], scratch);
    },
    keeps: all,
  },
  "a tool of Windows": { make: python(windows("/")), keeps: nothing },
  "a tool of Windows that writes backslashes": { make: python(windows("\\")), keeps: nothing },
};
