//! Names of the projects that a store holds. Documents are stored under ids from which no name can be told, so the names are
//! noted beside them: `projects/<name>`, empty objects.

use skerry_sync::ProjectName;
use skerry_sync::hub::StoreFailure;

use crate::store::CentralStore;

impl CentralStore {
    /// Notes that there is, or will be, a project.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn note_project(&self, project: &ProjectName) -> Result<(), StoreFailure> {
        self.put(&self.folder("projects").join(project.as_str()), Vec::new()).await
    }

    /// Whether a project was noted.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn has_project(&self, project: &ProjectName) -> Result<bool, StoreFailure> {
        Ok(self.get(&self.folder("projects").join(project.as_str())).await?.is_some())
    }

    /// The projects that were noted, by name.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn projects(&self) -> Result<Vec<ProjectName>, StoreFailure> {
        let names = self.list(&self.folder("projects")).await?;
        let mut projects: Vec<_> = names.iter().filter_map(|name| ProjectName::parse(name).ok()).collect();
        projects.sort_unstable();
        Ok(projects)
    }
}
